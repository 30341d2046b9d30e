//! Who is at the other end of a connection, also behind proxies of the operator's own.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use hyper::HeaderMap;

/// Written by each proxy for whom it was asked by: the client first, the last proxy but one last.
const FORWARDED_FOR: &str = "x-forwarded-for";
/// Others that say that there is a proxy.
const FORWARDED: [&str; 2] = ["forwarded", "via"];

/// Networks whose word about others is taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proxies(Vec<Network>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    /// Bits that all its addresses have in common.
    prefix: u32,
}

impl Proxies {
    /// The address on the internet that a request came from; `None` when that cannot be known: the peer is on a network
    /// of its own, or a proxy that nobody named stands before it, whose address is everybody's.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> Option<IpAddr> {
        let mut client = peer.to_canonical();
        if self.contain(client) {
            let chains = headers.get_all(FORWARDED_FOR).iter().map(|chain| chain.to_str().unwrap_or("?"));
            let chain = chains.collect::<Vec<_>>().join(",");
            for hop in chain.rsplit(',').map(str::trim).filter(|hop| !hop.is_empty()) {
                client = address(hop)?;
                if !self.contain(client) {
                    break;
                }
            }
        } else if headers.contains_key(FORWARDED_FOR) || FORWARDED.iter().any(|h| headers.contains_key(*h)) {
            return None;
        }
        (is_public(client) && !self.contain(client)).then_some(client)
    }

    fn contain(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

impl Network {
    fn contains(self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                own.to_bits().checked_shr(32 - self.prefix) == other.to_bits().checked_shr(32 - self.prefix)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                own.to_bits().checked_shr(128 - self.prefix) == other.to_bits().checked_shr(128 - self.prefix)
            }
            _ => false,
        }
    }
}

/// With a port or without.
fn address(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.strip_suffix(']')).unwrap_or(hop);
    let with_port = || hop.parse::<SocketAddr>().ok().map(|address| address.ip());
    bare.parse().ok().or_else(with_port).map(|address: IpAddr| address.to_canonical())
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

impl FromStr for Proxies {
    type Err = String;

    /// "10.0.0.0/8, 2001:db8::7": networks and addresses, separated by commas.
    fn from_str(text: &str) -> Result<Proxies, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(str::parse).collect::<Result<_, _>>().map(Proxies)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Network, String> {
        let wrong = || format!("{text:?} is neither an address nor a network such as \"10.0.0.0/8\"");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let all = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.map_or(Ok(all), str::parse).map_err(|_| wrong())?;
        if prefix > all { Err(wrong()) } else { Ok(Network { address, prefix }) }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    fn client(trusted: &str, peer: &str, headers: &[(&'static str, &'static str)]) -> Option<String> {
        let proxies: Proxies = trusted.parse().expect("networks");
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
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
    fn what_is_no_network_is_refused() {
        for text in ["10.0.0.0/33", "::/129", "here", "10.0.0.0/", "10.0.0.0/x", "/8"] {
            assert!(text.parse::<Proxies>().is_err_and(|e| e.contains(text)), "{text}");
        }
        let all: Proxies = "0.0.0.0/0, ::/0".parse().expect("all");
        assert!(all.contain("203.0.113.7".parse().expect("v4")) && all.contain("::7".parse().expect("v6")));
        assert_eq!("".parse(), Ok(Proxies::default()));
    }
}
