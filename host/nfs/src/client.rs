//! Who may connect.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Addresses of machines: one, or all whose first bits are the same (`192.168.1.0/24`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// It is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no address, as 192.168.1.7 or fd00::7, and no network, as 192.168.1.0/24")]
pub struct NetworkError {
    text: String,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let parse = || {
            let (address, bits) = match text.split_once('/') {
                Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
                None => (text, None),
            };
            let address: IpAddr = address.parse().ok()?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits = bits.unwrap_or(all);
            let new = Self { address, bits };
            // What the network does not count must not be there.
            (bits <= all && new.start(address) == number(address)).then_some(new)
        };
        parse().ok_or_else(|| NetworkError { text: text.to_owned() })
    }
}

impl Network {
    /// Whether it is one of them.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.address.is_ipv4() == address.is_ipv4() && self.start(address) == number(self.address)
    }

    fn start(&self, address: IpAddr) -> u128 {
        let width: u32 = if address.is_ipv4() { 32 } else { 128 };
        let rest = width - u32::from(self.bits).min(width);
        number(address).checked_shr(rest).and_then(|n| n.checked_shl(rest)).unwrap_or(0)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u32::from(a).into(),
        IpAddr::V6(a) => a.into(),
    }
}

/// Whose socket, on this machine, is the other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    User(u32),
    /// It is in no table: it was closed, or it is not this machine's.
    Nobody,
    /// The system has no such table.
    Unknown,
}

/// How often the tables are read: while others come and go, a line may be missed.
const LOOKS: usize = 3;

/// Linux: `/proc/net/tcp` and `tcp6` (proc(5)), by the two addresses of the client's end. A socket
/// of IPv6 can be connected to an address of IPv4, and is in the other table then.
pub(crate) fn peer(client: SocketAddr, server: SocketAddr) -> Peer {
    let (mut four, mut six) = (Vec::new(), Vec::new());
    let plain = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
    let (client, server) = (plain(client), plain(server));
    if client.is_ipv4() && server.is_ipv4() {
        four.push((shown(client), shown(server)));
    }
    six.push((shown(mapped(client)), shown(mapped(server))));
    for _ in 0..LOOKS {
        let mut read = false;
        for (table, ends) in [("/proc/net/tcp", &four), ("/proc/net/tcp6", &six)] {
            let Ok(text) = std::fs::read_to_string(table) else { continue };
            read = true;
            if let Some(user) = ends.iter().find_map(|ends| owner(&text, ends)) {
                return Peer::User(user);
            }
        }
        if !read {
            return Peer::Unknown;
        }
    }
    Peer::Nobody
}

fn owner(table: &str, (local, remote): &(String, String)) -> Option<u32> {
    table.lines().skip(1).find_map(|line| {
        let fields: Vec<_> = line.split_ascii_whitespace().collect();
        // A socket that was closed belongs to no file any more (inode 0), and the table says root.
        let is = fields.get(1) == Some(&local.as_str())
            && fields.get(2) == Some(&remote.as_str())
            && fields.get(9).is_some_and(|inode| *inode != "0");
        if is { fields.get(7)?.parse().ok() } else { None }
    })
}

fn mapped(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(a) => SocketAddr::new(a.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Words of four bytes, each as this machine has it in memory, and the port.
fn shown(address: SocketAddr) -> String {
    let bytes = match address.ip() {
        IpAddr::V4(a) => a.octets().to_vec(),
        IpAddr::V6(a) => a.octets().to_vec(),
    };
    let words = bytes.chunks_exact(4).map(|w| {
        let word = u32::from_ne_bytes([w[0], w[1], w[2], w[3]]);
        format!("{word:08X}")
    });
    format!("{}:{:04X}", words.collect::<String>(), address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_their_first_bits() {
        let is = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(is("10.1.0.0/16", "10.1.255.3") && !is("10.1.0.0/16", "10.2.0.1"));
        assert!(is("0.0.0.0/0", "8.8.8.8") && !is("0.0.0.0/0", "::1"));
        assert!(is("192.168.1.7", "192.168.1.7") && !is("192.168.1.7", "192.168.1.8"));
        assert!(is("192.168.1.7", "::ffff:192.168.1.7"));
        assert!(is("fd00::/8", "fdff::1") && !is("fd00::/8", "fe80::1") && is("::/0", "::1"));
        for bad in
            ["", "x", "10.0.0.0/33", "10.0.0.1/8", "::/129", "10.0.0.0/-1", "10.0.0.0/", "1.2.3"]
        {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_user_of_a_socket_is_whoever_made_it() {
        use std::net::{TcpListener, TcpStream};
        let own = std::os::unix::fs::MetadataExt::uid(&std::fs::metadata("/proc/self").unwrap());
        // A client may be of the other family than the server, and a server of both.
        for (any, to) in [
            ("127.0.0.1:0", "127.0.0.1"),
            ("[::1]:0", "::1"),
            ("127.0.0.1:0", "::ffff:127.0.0.1"),
            ("[::]:0", "127.0.0.1"),
            ("[::]:0", "::1"),
        ] {
            let Ok(listener) = TcpListener::bind(any) else { continue };
            let port = listener.local_addr().unwrap().port();
            let to: IpAddr = to.parse().unwrap();
            let client = TcpStream::connect((to, port)).unwrap();
            let (accepted, from) = listener.accept().unwrap();
            let at = accepted.local_addr().unwrap();
            assert_eq!(peer(from, at), Peer::User(own), "{any} {to}");
            assert_eq!(peer(from, "127.0.0.1:1".parse().unwrap()), Peer::Nobody);
            drop(client);
            assert_eq!(peer(from, at), Peer::Nobody, "closed, it is nobody's");
        }
    }
}
