//! What is kept of a call's context for the risk rules: hashes that tell whether two calls are alike, never
//! the prompt, the whole address or the user agent themselves.

use std::net::IpAddr;

use kernel::{Driver, Quantities, WalletId};
use ledger::{Account, Entry, EntryKind};
use risk::signal::{Address, Signal, Use, What};
use risk::text::{Print, WordKey, short_hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::cold::secrets;

use crate::about::from_json;
use crate::charge::sum;
use crate::{App, AppError, Context, Work, secret};

/// The name of the secret in the database.
const KEY: &str = "addresses";
/// Networks that nobody told lie above all that somebody did.
const UNKNOWN_NETWORK: u32 = 1 << 31;

/// Hides networks, addresses, programs and the words of prompts: without it nobody tells from a hash whose it is. One
/// for all processes of an installation.
#[derive(Clone)]
pub struct PrintKey([u8; 32]);

/// Of one call; stored with the entry that it led to. What was not told is absent. About 110 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallPrint {
    /// Of the prompt: simhash and classes of words, as in [`Print`].
    #[serde(rename = "s", default, skip_serializing_if = "Option::is_none")]
    pub simhash: Option<u64>,
    #[serde(rename = "w", default, skip_serializing_if = "Option::is_none")]
    pub words: Option<u64>,
    /// The IPv4 /24 or the IPv6 /48 as a keyed hash.
    #[serde(rename = "n", default, skip_serializing_if = "Option::is_none")]
    pub network: Option<u32>,
    /// The whole address as a keyed hash.
    #[serde(rename = "h", default, skip_serializing_if = "Option::is_none")]
    pub host: Option<u32>,
    /// User agent and device.
    #[serde(rename = "a", default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<u32>,
    /// Feature, model, options and what describes the work, without what the prompt makes of it.
    #[serde(rename = "p", default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u32>,
}

impl PrintKey {
    pub fn of(secret: [u8; 32]) -> PrintKey {
        PrintKey(secret)
    }

    fn hide(&self, address: IpAddr) -> u32 {
        match address {
            IpAddr::V4(v4) => self.hidden(&v4.octets()),
            IpAddr::V6(v6) => self.hidden(&v6.octets()),
        }
    }

    /// Of the network alone: 31 bits.
    fn network(&self, address: IpAddr) -> u32 {
        let digest = match address {
            IpAddr::V4(v4) => self.hidden(&v4.octets()[..3]),
            IpAddr::V6(v6) => self.hidden(&v6.octets()[..6]),
        };
        digest & !UNKNOWN_NETWORK
    }

    fn hidden(&self, bytes: &[u8]) -> u32 {
        let [a, b, c, d, ..] = self.digest(bytes);
        u32::from_be_bytes([a, b, c, d])
    }

    fn words(&self) -> WordKey {
        let [first, second, ..] = *self.digest(b"words of prompts").as_chunks::<8>().0 else {
            return WordKey::default();
        };
        WordKey(u64::from_be_bytes(first), u64::from_be_bytes(second))
    }

    fn digest(&self, bytes: &[u8]) -> [u8; 32] {
        Sha256::new_with_prefix(self.0).chain_update(bytes).finalize().into()
    }
}

impl CallPrint {
    /// `None` when the caller told nothing of the context. The same context gives the same print for ever.
    pub fn of(key: &PrintKey, context: &Context, work: Option<&Work>) -> Option<CallPrint> {
        if *context == Context::default() {
            return None;
        }
        let prompt = context.prompt.as_deref().map(|prompt| Print::keyed(key.words(), prompt));
        let address = context.ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok()).map(canonical);
        let agent = match (&context.user_agent, &context.device) {
            (None, None) => None,
            (agent, device) => {
                let text = |part: &Option<String>| part.clone().unwrap_or_default();
                Some(key.hidden(format!("{}\n{}", text(agent), text(device)).as_bytes()))
            }
        };
        Some(CallPrint {
            simhash: prompt.map(|print| print.simhash),
            words: prompt.map(|print| print.words),
            network: address.map(|address| key.network(address)),
            host: address.map(|address| key.hide(address)),
            agent,
            parameters: work.map(parameters),
        })
    }
}

/// An IPv4 address in IPv6's clothes is that IPv4 address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn parameters(work: &Work) -> u32 {
    let options = &work.options;
    let options = [&options.codec, &options.style, &options.quality, &options.operation];
    let shape = shape(&work.quantities);
    short_hash(format!("{}\n{}\n{options:?}\n{shape:?}", work.feature, work.model).as_bytes())
}

/// Tokens and characters follow from the prompt and from what came of it.
fn shape(quantities: &Quantities) -> Vec<(&'static str, i64)> {
    let is_shape = |driver: Driver| {
        !matches!(
            driver,
            Driver::InputTokens
                | Driver::CachedInputTokens
                | Driver::CacheWriteTokens
                | Driver::OutputTokens
                | Driver::AudioInputTokens
                | Driver::AudioOutputTokens
                | Driver::Characters
        )
    };
    let shape = quantities.iter().filter(|(driver, _)| is_shape(*driver));
    shape.map(|(driver, amount)| (driver.name(), amount.millionths())).collect()
}

/// What the risk rules learn of a context; the key is read from the database once.
pub(crate) async fn of(
    app: &App,
    context: &Context,
    work: Option<&Work>,
) -> Result<Option<CallPrint>, AppError> {
    if *context == Context::default() {
        return Ok(None);
    }
    Ok(CallPrint::of(key_of(app).await?, context, work))
}

/// The network of an address as prints have it.
pub(crate) async fn network_of(app: &App, address: Option<IpAddr>) -> Result<Option<u32>, AppError> {
    let Some(address) = address else { return Ok(None) };
    Ok(Some(key_of(app).await?.network(canonical(address))))
}

async fn key_of(app: &App) -> Result<&PrintKey, AppError> {
    app.inner.print_key.get_or_try_init(|| Box::pin(key(app))).await
}

/// Made by whoever comes first.
async fn key(app: &App) -> Result<PrintKey, AppError> {
    if let Some(row) = secrets::find(app.store().reader(), KEY).await? {
        return Ok(PrintKey(row));
    }
    let txn = app.store().write().await?;
    let stored = secrets::insert_once(&txn, KEY, secret::random()?).await?;
    txn.commit().await.map_err(store::StoreError::from)?;
    Ok(PrintKey(stored))
}

#[derive(Deserialize)]
struct Said {
    #[serde(default)]
    print: Option<CallPrint>,
}

/// What an entry tells the risk rules of use; `None` for entries that are none. Every number in it follows
/// from the entry, so the journal gives the same signals at any time.
///
/// A hold counts as use, its captures do not again; the output of both has the hold's seq. A call without a
/// prompt is like no other one, and without an address on a network of its own.
pub fn signal_of(wallet: WalletId, entry: &Entry) -> Option<Signal> {
    let is_use = |l: &ledger::Line| match entry.kind {
        EntryKind::Hold => l.to == Account::Held,
        _ => l.to == Account::Spent,
    };
    if !matches!(entry.kind, EntryKind::Hold | EntryKind::Debit | EntryKind::Unbilled) {
        return None;
    }
    let print = print_in(entry).unwrap_or_default();
    #[allow(clippy::cast_precision_loss, reason = "a number for statistics")]
    let credits = sum(entry, is_use).micros() as f32 / 1e6;
    let address = match (print.network, print.host) {
        (Some(network), Some(host)) => Address { network, host },
        _ => unknown_address(wallet),
    };
    let used = Use {
        output: output(entry.seq),
        credits,
        print: match (print.simhash, print.words) {
            (Some(simhash), Some(words)) => Print { simhash, words },
            _ => Print { simhash: unlike_any(wallet, entry.seq), words: 0 },
        },
        parameters: print.parameters.unwrap_or_default(),
        address,
        agent: print.agent.unwrap_or_default(),
    };
    let at = entry.recorded_at.micros().div_euclid(1_000);
    Some(Signal { wallet: wallet.uuid().as_u128(), at, what: What::Used(used) })
}

/// Whether facts have to be read for what they tell of a call's context; most calls tell nothing.
pub fn has_context(entry: &Entry) -> bool {
    entry.about.as_deref().is_some_and(|about| about.contains("\"print\":"))
}

fn print_in(entry: &Entry) -> Option<CallPrint> {
    from_json::<Said>(entry.about.as_deref().filter(|_| has_context(entry))?).ok()?.print
}

/// How a later delivery names what a hold or a debit made.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low bits are meant")]
pub fn output(seq: kernel::Seq) -> u32 {
    seq as u32
}

/// An address that nobody told: on a network that no other wallet is on.
pub fn unknown_address(wallet: WalletId) -> Address {
    let network = short_hash(wallet.uuid().as_bytes()) | UNKNOWN_NETWORK;
    Address { network, host: network }
}

fn unlike_any(wallet: WalletId, seq: kernel::Seq) -> u64 {
    let half = |salt: u8| {
        let bytes = [wallet.uuid().as_bytes().as_slice(), &seq.to_le_bytes(), &[salt]].concat();
        u64::from(short_hash(&bytes))
    };
    half(0) << 32 | half(1)
}

#[cfg(test)]
mod tests {
    use catalog::Options;
    use kernel::{Amount, new_uuid};

    use super::*;

    fn context(prompt: &str, ip: &str) -> Context {
        Context {
            ip: Some(ip.to_owned()),
            user_agent: Some("curl/8".to_owned()),
            device: None,
            prompt: Some(prompt.to_owned()),
        }
    }

    fn work(pairs: &[(Driver, u64)]) -> Work {
        Work {
            feature: "image.generate".to_owned(),
            model: "sdxl".to_owned(),
            quantities: pairs.iter().map(|(d, n)| (*d, Amount::whole(*n).expect("it fits"))).collect(),
            options: Options::default(),
        }
    }

    fn print(context: &Context, work: &Work) -> CallPrint {
        CallPrint::of(&PrintKey::of([7; 32]), context, Some(work)).expect("a print")
    }

    #[test]
    fn nothing_is_kept_of_a_call_that_tells_nothing() {
        let key = PrintKey::of([0; 32]);
        assert_eq!(CallPrint::of(&key, &Context::default(), Some(&work(&[]))), None);
    }

    #[test]
    fn neither_prompt_nor_address_nor_agent_can_be_read_back() {
        let kept = print(&context("a red fox in the snow", "203.0.113.77"), &work(&[]));
        let json = serde_json::to_string(&kept).expect("JSON");
        let whole = u32::from_be_bytes([203, 0, 113, 77]);
        for told in ["fox", "snow", "203.0.113", "curl", &whole.to_string(), &(whole >> 8).to_string()] {
            assert!(!json.contains(told), "{told}: {json}");
        }
        assert_ne!(kept.network, Some(whole >> 8));
        let other_key = PrintKey::of([8; 32]);
        let other = CallPrint::of(&other_key, &context("a red fox in the snow", "203.0.113.77"), None);
        let other = other.expect("a print");
        assert!(kept.host != other.host && kept.agent != other.agent, "{kept:?} {other:?}");
        assert_ne!(kept.network, other.network);
        assert!(kept.simhash != other.simhash && kept.words != other.words, "{kept:?} {other:?}");
        assert!(json.len() <= 120, "{} bytes: {json}", json.len());
        assert_eq!(serde_json::from_str::<CallPrint>(&json).expect("a print"), kept);
    }

    #[test]
    fn alike_is_alike_and_different_is_different() {
        let (small, large) = (work(&[(Driver::Width, 64)]), work(&[(Driver::Width, 128)]));
        let first = print(&context("a red fox", "203.0.113.77"), &small);
        assert_eq!(first, print(&context("A red fox!", "203.0.113.77"), &small));
        assert_eq!(first.network, print(&context("", "203.0.113.9"), &small).network);
        assert_ne!(first.network, print(&context("", "203.0.114.77"), &small).network);
        let of_v6 = |ip| print(&context("", ip), &small).network;
        assert_eq!(of_v6("2001:db8:7:1::1"), of_v6("2001:db8:7:2::2"));
        assert_ne!(of_v6("2001:db8:7::1"), of_v6("2001:db8:8::1"));
        assert_ne!(first.host, print(&context("", "203.0.113.9"), &small).host);
        assert_eq!(first.host, print(&context("", "::ffff:203.0.113.77"), &small).host);
        assert_ne!(first.parameters, print(&context("", "203.0.113.9"), &large).parameters);
        let tokens = work(&[(Driver::Width, 64), (Driver::InputTokens, 9)]);
        assert_eq!(first.parameters, print(&context("", "203.0.113.9"), &tokens).parameters);
        assert_eq!(print(&context("", "no address"), &small).network, None);
    }

    #[test]
    fn calls_without_prompt_or_address_are_like_no_others() {
        let (a, b) = (WalletId::from_uuid(new_uuid()), WalletId::from_uuid(new_uuid()));
        assert_ne!(unknown_address(a).network, unknown_address(b).network);
        assert!(unknown_address(a).network >= UNKNOWN_NETWORK);
        let distance = (unlike_any(a, 1) ^ unlike_any(a, 2)).count_ones();
        assert!(distance > 4, "{distance}");
    }
}
