use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::linear::What;
use crate::wire::Wire;

use super::audit::micros;
use super::operation::Effect;
use super::shared::Shared;
use super::teller::Log;
use super::{Flaw, FlawKind};

const READ_AGAIN_AFTER: Duration = Duration::from_millis(5);

/// Looks at the wallets all the time, whatever is broken.
pub struct Reader<'a> {
    shared: &'a Shared,
    wire: Wire,
    log: Log,
}

impl<'a> Reader<'a> {
    pub fn new(shared: &'a Shared, port: u16, api_key: &str) -> Reader<'a> {
        Reader { shared, wire: Wire::new(port, api_key), log: Log::default() }
    }

    pub fn work(mut self) -> Log {
        let wallets = self.shared.holders.len();
        // Every second look is at one of the wallets whose history is judged.
        for look in 0_usize.. {
            if self.shared.is_closing.load(Ordering::SeqCst) {
                break;
            }
            self.look_at(if look.is_multiple_of(2) { (look / 2) % 2 } else { (look / 2) % wallets });
            thread::sleep(READ_AGAIN_AFTER);
        }
        self.log
    }

    fn look_at(&mut self, number: usize) {
        let customer = &self.shared.holders[number].customer;
        let begin = self.shared.moment();
        // What is broken cannot be read; what was read must be right.
        let Ok(reply) = self.wire.get(&format!("/v1/customers/{customer}/wallet")) else { return };
        if reply.status == 503 {
            return;
        }
        let wallet = reply.json();
        self.log.reads += 1;
        match look(reply.status, &wallet) {
            Ok(balance) => self.log.seen.extend(self.shared.seen(number, begin, What::Read(balance))),
            Err(what) => {
                let what = format!("{customer}: {what}: {}", reply.body);
                self.log.flaws.push(Flaw::new(FlawKind::Read, what));
            }
        }
    }
}

/// The balances of a wallet that is one: known, nothing below zero, no debt, and what can be spent is what
/// its lots add up to.
fn look(status: u16, wallet: &Value) -> Result<Effect, String> {
    if status != 200 {
        return Err(format!("status {status}"));
    }
    let balance = Effect { available: micros(&wallet["available"]), held: micros(&wallet["held"]) };
    if balance.available < 0 || balance.held < 0 || micros(&wallet["debt"]) != 0 {
        return Err("a balance that nobody can have".to_owned());
    }
    let lots = wallet["lots"].as_array().ok_or("no lots")?;
    let sum = |member: &str| lots.iter().map(|lot| micros(&lot[member])).sum::<i64>();
    if (sum("remaining"), sum("held")) != (balance.available, balance.held) {
        return Err(format!("its lots add up to {} and {} held", sum("remaining"), sum("held")));
    }
    Ok(balance)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::look;

    #[test]
    fn only_a_wallet_that_adds_up_is_one() {
        let wallet = |available: &str, held: &str, debt: &str, remaining: &str| {
            let lots = [json!({"remaining": remaining, "held": "2"}), json!({"remaining": "1", "held": "0"})];
            json!({"available": available, "held": held, "debt": debt, "lots": lots})
        };
        assert!(look(200, &wallet("4", "2", "0", "3")).is_ok());
        for (status, wrong) in [
            (404, wallet("4", "2", "0", "3")),
            (200, wallet("5", "2", "0", "3")),
            (200, wallet("4", "1", "0", "3")),
            (200, wallet("4", "2", "1", "3")),
            (200, wallet("-4", "2", "0", "-5")),
            (200, json!({"available": "0", "held": "0", "debt": "0"})),
        ] {
            assert!(look(status, &wrong).is_err(), "{status} {wrong}");
        }
    }
}
