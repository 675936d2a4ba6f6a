//! Whose socket, on this machine, is the other end of a connection.

use std::net::{IpAddr, SocketAddr};

/// Whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Peer {
    /// A user, by id.
    User(u32),
    /// It is in no table: it was closed, or it is not this machine's.
    Nobody,
    /// The system has no such table.
    Unknown,
}

impl Peer {
    /// Whether a program of a user, or of root, who could become that user, may have made it.
    /// Where the system does not tell, it may.
    pub fn may_be(self, user: u32) -> bool {
        match self {
            Self::User(0) | Self::Unknown => true,
            Self::User(own) => own == user,
            Self::Nobody => false,
        }
    }
}

/// How often the tables are read: while others come and go, a line may be missed.
const LOOKS: usize = 3;

/// Whose socket a client's is, as long as it is connected. Reads.
///
/// Linux: `/proc/net/tcp` and `tcp6` (proc(5)), by the two addresses of the client's end. A socket
/// of IPv6 can be connected to an address of IPv4, and is in the other table then.
pub fn peer(client: SocketAddr, server: SocketAddr) -> Peer {
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
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn root_and_the_user_may_have_made_it() {
        assert!(Peer::User(7).may_be(7) && Peer::User(0).may_be(7) && Peer::Unknown.may_be(7));
        assert!(!Peer::User(8).may_be(7) && !Peer::User(8).may_be(0) && !Peer::Nobody.may_be(7));
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
