//! The host puts secrets into headers, of requests to their host alone, and nothing tells them.

use std::sync::{Arc, Mutex};

use brio_net::{Egress, EgressOptions, SecretSpec, Trust};
use http::Request;
use http_body_util::Full;

use crate::server::{Server, reply};
use crate::way::both_ways;
use crate::{egress, get, scripted, send};

both_ways! {
    it_is_sent_to_its_host_alone_in_place_of_what_the_guest_wrote,
    by_tls_it_is_sent_to_who_has_the_certificate,
}

const VALUE: &str = "hunter2-0123456789";

fn secret(text: &str) -> brio_net::Secret {
    text.parse::<SecretSpec>().unwrap().with_value(VALUE).unwrap()
}

fn it_is_sent_to_its_host_alone_in_place_of_what_the_guest_wrote() {
    let answer = |_: &str, to: &mut dyn std::io::Write| reply(to, "200 OK", "", "");
    let (mine, other) = (Server::plain(answer), Server::plain(answer));
    let seen = Arc::new(Mutex::new(Vec::new()));
    let journal = seen.clone();
    let egress = egress(&[&mine.url(""), &other.url("")], |o| {
        o.secrets = vec![
            secret(&format!("env=KEY,host={}", mine.url(""))),
            secret(&format!("env=KEY,host={},header=x-api-key", mine.url(""))),
        ];
        o.observer = Some(Arc::new(move |r| journal.lock().unwrap().push(format!("{r:?}"))));
    });
    for server in [&mine, &other] {
        let request = Request::get(server.url(&format!("/echo/{VALUE}")))
            .header("Authorization", "Bearer the-guests-own")
            .header("authorization", "Basic twice")
            .body(Full::default())
            .unwrap();
        assert_eq!(send(&egress, request).0, Some(200));
    }
    let (mine, other) = (mine.seen().remove(0), other.seen().remove(0));
    assert!(mine.contains(&format!("authorization: Bearer {VALUE}\r\n")), "{mine}");
    assert!(mine.contains(&format!("x-api-key: {VALUE}\r\n")), "{mine}");
    assert!(!mine.contains("the-guests-own") && !mine.contains("twice"), "{mine}");
    assert!(other.contains("the-guests-own") && !other.contains("x-api-key"), "{other}");
    let told = format!("{:?} {:?} {:?}", egress.close(), seen.lock().unwrap(), egress);
    assert!(told.contains("/echo/[secret]"), "{told}");
    assert!(!told.contains(VALUE), "{told}");
}

fn by_tls_it_is_sent_to_who_has_the_certificate() {
    let server = Server::tls(&["api.example"], |_, to| reply(to, "200 OK", "", ""));
    let impostor = Server::tls(&["api.example"], |_, to| reply(to, "200 OK", "", ""));
    for (target, status) in [(&server, Some(200)), (&impostor, None)] {
        let port = target.address.port();
        let named = format!("127.0.0.1:{port}");
        let egress = egress(&[&format!("api.example:{port}"), &named], |o| {
            o.resolver = Some(scripted(&[&["127.0.0.1"]]));
            o.trust = Trust::only([server.ca.clone()]);
            o.secrets = vec![secret(&format!("env=KEY,host=api.example:{port}"))];
        });
        let done = send(&egress, get(&format!("https://api.example:{port}/")));
        assert_eq!(done.0, status, "{}", done.1);
    }
    assert!(server.seen()[0].contains(VALUE));
    assert!(impostor.seen().is_empty());
}

#[test]
fn grants_that_do_not_fit_together_are_refused() {
    let with = |allow: &str, secrets: &[&str]| {
        Egress::new(EgressOptions {
            allow: vec![allow.parse().unwrap()],
            secrets: secrets.iter().map(|s| secret(s)).collect(),
            ..EgressOptions::default()
        })
    };
    let one = "env=A,host=a.example.com";
    assert!(with("*.example.com", &[one]).is_ok());
    let said = with("b.example.com", &[one]).unwrap_err().to_string();
    assert!(said.ends_with("add --allow-host a.example.com"), "{said}");
    let said = with("a.example.com", &[one, "env=B,host=a.example.com"]).unwrap_err().to_string();
    assert!(said.contains("two secrets"), "{said}");
}
