//! What a bank can be broken with besides the death of its server.

mod database;
mod forgetful;
mod proxy;
mod small_disk;

pub use database::DatabaseKills;
pub use forgetful::{ForgetfulDisk, PowerCuts};
pub use proxy::{Cuts, Proxy};
pub use small_disk::{DiskFull, SmallDisk};
