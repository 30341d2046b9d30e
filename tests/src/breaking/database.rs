use crate::bank::{Fault, Servers};
use crate::cluster::Cluster;
use crate::random::SplitMix64;

/// PostgreSQL dies under a server that stays: by SIGKILL and by an immediate stop, in turns.
pub struct DatabaseKills<'a> {
    pub cluster: &'a Cluster,
    pub strikes: usize,
}

impl Fault for DatabaseKills<'_> {
    fn strike(&mut self, _: &mut Servers, _: &mut SplitMix64) {
        if self.strikes.is_multiple_of(2) {
            self.cluster.kill9();
        } else {
            self.cluster.stop_immediately();
        }
        self.strikes += 1;
        self.cluster.restart();
    }

    fn server_retries(&self) -> bool {
        true
    }
}
