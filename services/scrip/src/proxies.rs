//! Who is at the other end: the address of the connection, or, behind a reverse proxy of the operator's, the one
//! that the proxy says.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::HeaderMap;

const FORWARDED_FOR: &str = "x-forwarded-for";
/// Others that say that there is a proxy.
const FORWARDED: [&str; 2] = ["forwarded", "via"];
/// Addresses that are looked through; a chain of proxies is shorter.
const HOPS_MAX: usize = 16;

/// The reverse proxies that are believed: `127.0.0.1, 10.0.0.0/8`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Block>);

/// Addresses that begin with the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Block {
    first: IpAddr,
    bits: u32,
}

impl Proxies {
    /// The last address on the way that is no proxy of ours: what stands before it in the header was written by
    /// whoever is there, and is not believed.
    pub fn caller(&self, remote: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut caller = remote.to_canonical();
        let lines = headers.get_all(FORWARDED_FOR).iter().filter_map(|line| line.to_str().ok());
        let hops: Vec<&str> = lines.flat_map(|line| line.split(',')).collect();
        for hop in hops.iter().rev().take(HOPS_MAX) {
            if !self.has(caller) {
                break;
            }
            let Some(before) = address(hop) else { break };
            caller = before;
        }
        caller
    }

    /// The address on the internet that a request came from; `None` when that cannot be known: the caller is on a
    /// network of its own, or a proxy that nobody named stands before it, whose address is everybody's.
    pub fn client(&self, remote: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let says_forwarded = || FORWARDED.iter().chain([&FORWARDED_FOR]).any(|h| headers.contains_key(*h));
        if !self.has(remote.to_canonical()) && says_forwarded() {
            return None;
        }
        let caller = self.caller(remote, headers);
        (is_public(caller) && !self.has(caller)).then_some(caller)
    }

    fn has(&self, address: IpAddr) -> bool {
        self.0.iter().any(|block| block.has(address))
    }
}

/// Some proxies write the port as well.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let with_port = || text.parse().ok().map(|socket: SocketAddr| socket.ip());
    text.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            let is_shared = a == 100 && (64..128).contains(&b);
            !(v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_unspecified() || is_shared)
        }
        IpAddr::V6(v6) => {
            let is_own = v6.is_unique_local() || v6.is_unicast_link_local();
            !(is_own || v6.is_loopback() || v6.is_unspecified())
        }
    }
}

impl Block {
    fn has(self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros() >= self.bits
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros() >= self.bits
            }
            _ => false,
        }
    }
}

impl FromStr for Proxies {
    type Err = String;

    fn from_str(text: &str) -> Result<Proxies, String> {
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        Ok(Proxies(parts.map(str::parse).collect::<Result<_, _>>()?))
    }
}

impl FromStr for Block {
    type Err = String;

    fn from_str(text: &str) -> Result<Block, String> {
        let rule =
            || format!("{text:?} is no address such as \"10.0.0.7\", and no block such as \"10.0.0.0/8\"");
        let (address, bits) =
            text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let first: IpAddr = address.parse().map_err(|_| rule())?;
        let all = if first.is_ipv4() { 32 } else { 128 };
        let bits = bits.map_or(Ok(all), str::parse).map_err(|_| rule())?;
        if bits > all { Err(rule()) } else { Ok(Block { first, bits }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(proxies: &str, remote: &str, lines: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, hyper::header::HeaderValue::from_static(line));
        }
        let proxies: Proxies = proxies.parse().expect("proxies");
        proxies.caller(remote.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn only_a_proxy_of_the_operators_is_believed_and_only_as_far_as_proxies_go() {
        let ours = "127.0.0.1, 10.0.0.0/8, ::1";
        for (remote, lines, expected) in [
            ("203.0.113.9", &[][..], "203.0.113.9"),
            // Anybody can write a header.
            ("203.0.113.9", &["198.51.100.1"], "203.0.113.9"),
            ("127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("::ffff:127.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            // What the caller wrote stands before what the proxy added.
            ("127.0.0.1", &["192.0.2.1, 198.51.100.1"], "198.51.100.1"),
            ("127.0.0.1", &["192.0.2.1", "198.51.100.1, 10.1.2.3"], "198.51.100.1"),
            ("127.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("::1", &["[2001:db8::7]:443"], "2001:db8::7"),
            ("127.0.0.1", &["unknown"], "127.0.0.1"),
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["10.0.0.1"], "10.0.0.1"),
        ] {
            assert_eq!(caller(ours, remote, lines), expected, "{remote} {lines:?}");
        }
        assert_eq!(caller("", "127.0.0.1", &["198.51.100.1"]), "127.0.0.1");
        assert_eq!(caller("0.0.0.0/0", "203.0.113.9", &["198.51.100.1, 8.8.8.8"]), "198.51.100.1");
    }

    fn client(trusted: &str, peer: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let proxies: Proxies = trusted.parse().expect("networks");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, hyper::header::HeaderValue::from_static(value));
        }
        proxies.client(peer.parse().expect("an address"), &map).map(|address| address.to_string())
    }

    #[test]
    fn without_proxies_the_peer_is_the_client_and_nobody_is_believed() {
        assert_eq!(client("", "203.0.113.7", &[]).as_deref(), Some("203.0.113.7"));
        assert_eq!(client("", "::ffff:203.0.113.7", &[]).as_deref(), Some("203.0.113.7"));
        for header in ["x-forwarded-for", "forwarded", "via"] {
            assert_eq!(client("", "203.0.113.7", &[(header, "198.51.100.1")]), None, "{header}");
        }
    }

    #[test]
    fn a_peer_of_a_network_of_its_own_tells_nothing() {
        for peer in ["127.0.0.1", "10.1.2.3", "192.168.0.9", "100.64.0.1", "::1", "fd00::1", "fe80::1"] {
            assert_eq!(client("", peer, &[]), None, "{peer}");
        }
    }

    #[test]
    fn behind_named_proxies_it_is_the_last_that_none_of_them_is() {
        let by = |chain| client("10.0.0.0/8, 2001:db8::/32", "10.0.0.1", &[("x-forwarded-for", chain)]);
        assert_eq!(by("203.0.113.7").as_deref(), Some("203.0.113.7"));
        // What stands further to the left was written by whoever asked.
        assert_eq!(by("198.51.100.1, 203.0.113.7, 10.9.9.9").as_deref(), Some("203.0.113.7"));
        assert_eq!(by("203.0.113.7:4711, 2001:db8::5").as_deref(), Some("203.0.113.7"));
        assert_eq!(by("[2001:dead::1]:443").as_deref(), Some("2001:dead::1"));
        for unknown in ["", "unknown", "203.0.113.7, _hidden", "10.0.0.2", "192.168.1.1"] {
            assert_eq!(by(unknown), None, "{unknown:?}");
        }
        let twice = [("x-forwarded-for", "198.51.100.1"), ("x-forwarded-for", "203.0.113.7")];
        assert_eq!(client("10.0.0.1", "10.0.0.1", &twice).as_deref(), Some("203.0.113.7"));
    }

    #[test]
    fn what_is_no_block_is_refused_by_name() {
        for text in ["proxy.example.com", "10.0.0.0/33", "::/129", "10.0.0.0/x", "10.0.0.0/-1", "10.0.0"] {
            let error = format!("127.0.0.1, {text}").parse::<Proxies>().expect_err(text);
            assert!(error.contains(text), "{error}");
        }
    }
}
