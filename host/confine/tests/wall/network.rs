//! Networks and sockets.

use std::io::Read;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram, UnixListener};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use brio_confine::Exit;

use crate::harness::Test;
use crate::setup::place;
use crate::tries::{inside, outside, refused, root, stopped};

pub(crate) const TESTS: &[Test] = &[
    ("tcp_and_udp_do_not_leave_the_room", tcp_and_udp),
    ("unix_sockets_of_the_host_cannot_be_reached", unix_sockets),
    ("with_the_network_granted_abstract_sockets_stay_out_of_reach", granted_network),
    ("the_room_has_a_loopback_of_its_own", own_loopback),
    ("socket_families_without_a_namespace_are_refused", socket_families),
];

/// Counts what arrives.
#[derive(Clone, Default)]
struct Arrivals(Arc<AtomicUsize>);

impl Arrivals {
    fn count(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn so_far(&self) -> usize {
        std::thread::sleep(Duration::from_millis(50));
        self.0.load(Ordering::SeqCst)
    }
}

fn listen_tcp(address: &str) -> (std::net::SocketAddr, Arrivals) {
    let arrivals = Arrivals::default();
    let listener = std::net::TcpListener::bind(address).unwrap();
    let at = listener.local_addr().unwrap();
    let count = arrivals.clone();
    std::thread::spawn(move || listener.incoming().for_each(|_| count.count()));
    (at, arrivals)
}

/// An address of this machine that is not loopback, if it has one.
fn own_address() -> Option<std::net::IpAddr> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?; // sends nothing
    Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_loopback() && !ip.is_unspecified())
}

fn tcp_and_udp() -> Result<(), String> {
    let place = place();
    let hosts = [Some("127.0.0.1".parse().unwrap()), own_address()];
    for host in hosts.into_iter().flatten() {
        let (at, arrivals) = listen_tcp(&format!("{host}:0"));
        outside(&["tcp", &at.to_string()])?;
        assert_eq!(arrivals.so_far(), 1);
        refused(&place.room, &["tcp", &at.to_string()]);
        assert_eq!(arrivals.so_far(), 1, "TCP to {host} arrived");

        let arrivals = Arrivals::default();
        let socket = std::net::UdpSocket::bind((host, 0)).unwrap();
        let at = socket.local_addr().unwrap();
        let count = arrivals.clone();
        std::thread::spawn(move || {
            while socket.recv(&mut [0; 16]).is_ok() {
                count.count();
            }
        });
        outside(&["udp", &at.to_string()])?;
        assert_eq!(arrivals.so_far(), 1);
        // Loopback takes the datagram, in the room's own network.
        inside(&place.room, &["udp", &at.to_string()]);
        assert_eq!(arrivals.so_far(), 1, "UDP to {host} arrived");
    }
    Ok(())
}

struct UnixServers {
    _dir: tempfile::TempDir,
    stream: PathBuf,
    datagram: PathBuf,
    name: String,
    arrivals: Arrivals,
}

fn listen_unix() -> UnixServers {
    let dir = tempfile::tempdir().unwrap();
    let arrivals = Arrivals::default();
    let (stream, datagram) = (dir.path().join("s"), dir.path().join("d"));
    let name = format!("brio-wall-{}-{}", std::process::id(), dir.path().display());
    let named = UnixListener::bind(&stream).unwrap();
    let unnamed = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    for listener in [named, unnamed] {
        let count = arrivals.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut byte = [0];
                if connection.is_ok_and(|mut c| c.read(&mut byte).is_ok()) {
                    count.count();
                }
            }
        });
    }
    let socket = UnixDatagram::bind(&datagram).unwrap();
    let count = arrivals.clone();
    std::thread::spawn(move || {
        while socket.recv(&mut [0; 16]).is_ok() {
            count.count();
        }
    });
    UnixServers { _dir: dir, stream, datagram, name, arrivals }
}

fn unix_sockets() -> Result<(), String> {
    let place = place();
    let servers = listen_unix();
    let attempts = [
        ["unix", servers.stream.to_str().unwrap()],
        ["unix-datagram", servers.datagram.to_str().unwrap()],
        ["abstract", &servers.name],
    ];
    for (before, attempt) in attempts.iter().enumerate() {
        stopped(&place.room, attempt);
        assert_eq!(servers.arrivals.so_far(), before + 1, "{attempt:?} arrived from the room");
    }
    Ok(())
}

fn granted_network() -> Result<(), String> {
    let place = place();
    let room = place.room.clone().network(true);
    let (at, arrivals) = listen_tcp("127.0.0.1:0");
    assert_eq!(inside(&room, &["tcp", &at.to_string()]).exit, Exit::Code(0));
    assert_eq!(arrivals.so_far(), 1, "the grant grants nothing");
    let servers = listen_unix();
    refused(&room, &["unix", servers.stream.to_str().unwrap()]);
    let report = brio_confine::probe().unwrap_or_else(|e| panic!("{e}"));
    if !report.landlock.is_some_and(|landlock| landlock.scoped) {
        return Err("landlock here does not keep abstract sockets inside".to_owned());
    }
    stopped(&room, &["abstract", &servers.name]);
    assert_eq!(servers.arrivals.so_far(), 1);
    Ok(())
}

fn own_loopback() -> Result<(), String> {
    let done = inside(&place().room, &["own-loopback"]);
    assert_eq!(done.exit, Exit::Code(0), "{}", done.err);
    Ok(())
}

fn socket_families() -> Result<(), String> {
    let place = place();
    for (family, number) in [
        ("netlink-diag-socket", libc::EAFNOSUPPORT),
        ("vsock-socket", libc::EAFNOSUPPORT),
        ("alg-socket", libc::EAFNOSUPPORT),
        ("packet-socket", libc::EAFNOSUPPORT),
        ("raw-socket", libc::EPERM),
    ] {
        let possible = outside(&[family]).is_ok();
        // Raw and packet sockets are root's; the others may not be in this kernel.
        assert!(possible || !(root() && family.starts_with(['r', 'p', 'n'])), "outside: {family}");
        assert_eq!(refused(&place.room, &[family]), number, "{family}");
    }
    assert_eq!(inside(&place.room, &["netlink-route-socket"]).exit, Exit::Code(0));
    Ok(())
}
