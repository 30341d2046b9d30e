//! What happens to a wallet, in the order in which it became known.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970, UTC.
pub type Millis = i64;

/// Something that happened to one wallet. Times never lie after the moment of the report.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Signal {
    /// The wallet's id.
    pub wallet: u128,
    pub at: Millis,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub enum What {
    /// The customer signed up. Told in parts: where from and that it is a trial may come later. The first address
    /// stays, and once a trial it is one.
    SignedUp(SignUp),
    /// Work was asked for and will be charged.
    Used(Use),
    /// The customer fetched the output of an earlier use, named by the low bits of its id.
    Fetched { output: u32 },
    /// A payment succeeded or failed.
    Paid(Payment),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignUp {
    pub signed_up_at: Millis,
    /// Of its network only. When nobody tells it, the address of the first use takes its place.
    pub address: Address,
    pub mail: Mail,
    pub is_trial: bool,
    /// Whole credits that each period brings; 0 without a subscription.
    pub allotment: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Use {
    /// The low bits of the id of what was made, which a later [`What::Fetched`] names.
    pub output: u32,
    /// Credits, as a number for statistics: no balance is computed from it.
    pub credits: f32,
    /// What the prompt was like, see [`crate::text::Print`]. The prompt itself is not kept.
    pub print: crate::text::Print,
    /// A hash over feature, model and every parameter but the prompt.
    pub parameters: u32,
    pub address: Address,
    /// A hash of the user agent.
    pub agent: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payment {
    pub kind: PaymentKind,
    pub succeeded: bool,
    /// A hash of the card's fingerprint.
    pub card: u32,
    /// The card was issued where the address is. Unknown counts as yes.
    pub country_matches: bool,
    pub opinion: Opinion,
    /// Whole credits that it brings.
    pub credits: u32,
}

/// What the gateway thinks of a payment's risk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Opinion {
    /// Normal, or it has none.
    #[default]
    Normal,
    Elevated,
    Highest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PaymentKind {
    Subscription,
    Pack,
    /// The gateway warned of fraud or the payment was disputed.
    Dispute,
}

/// An internet address in two parts: the network (an IPv4 /24 or an IPv6 /48) and the whole. 0.0.0.0 is
/// [`Address::UNKNOWN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Address {
    pub network: u32,
    pub host: u32,
}

impl Address {
    /// Nobody said where from.
    pub const UNKNOWN: Address = Address { network: 0, host: 0 };

    #[must_use]
    pub fn of(address: std::net::IpAddr) -> Address {
        match address {
            std::net::IpAddr::V4(v4) => {
                let bits = v4.to_bits();
                Address { network: bits >> 8, host: bits }
            }
            std::net::IpAddr::V6(v6) => {
                let octets = v6.octets();
                Address {
                    network: crate::text::short_hash(&octets[..6]),
                    host: crate::text::short_hash(&octets),
                }
            }
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Mail {
    #[default]
    Unknown,
    Corporate,
    Free,
    /// An address that forwards, made for one use.
    Relay,
    /// An address that disappears.
    Disposable,
}
