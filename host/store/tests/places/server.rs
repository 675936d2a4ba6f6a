//! A small S3 server in memory: what a store asks of one, atomically, without looking at
//! signatures. It can be told to be one of the servers that a store must refuse or suffer.

use std::collections::BTreeMap;
use std::io::BufReader;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use time::format_description::well_known::{Rfc2822, Rfc3339};

use super::http::{Request, Response};

/// How it differs from S3.
pub struct Rules {
    /// `If-Match` must have quotes; else it must have none.
    pub quoted: bool,
    pub honours_if_match: bool,
    pub honours_if_none_match: bool,
    /// It says 412, and does it nevertheless.
    pub lies: bool,
    /// What it answers to everything, and nothing else.
    pub always: Option<Response>,
    /// Its clock, in seconds ahead of ours.
    pub ahead: i64,
    pub page: usize,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            quoted: true,
            honours_if_match: true,
            honours_if_none_match: true,
            lies: false,
            always: None,
            ahead: 0,
            page: 100,
        }
    }
}

pub struct Server {
    address: SocketAddr,
    pub state: Arc<State>,
}

pub struct State {
    rules: Rules,
    objects: Mutex<BTreeMap<String, (Vec<u8>, OffsetDateTime)>>,
    pub requests: AtomicUsize,
    puts: AtomicUsize,
}

impl Server {
    pub fn start(rules: Rules) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            rules,
            objects: Mutex::default(),
            requests: AtomicUsize::new(0),
            puts: AtomicUsize::new(0),
        });
        let serving = state.clone();
        // Ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let state = serving.clone();
                std::thread::spawn(move || state.serve(stream));
            }
        });
        Self { address, state }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn requests(&self) -> usize {
        self.state.requests.load(Ordering::SeqCst)
    }

    pub fn puts(&self) -> usize {
        self.state.puts.load(Ordering::SeqCst)
    }

    /// The names of all objects, refs among them.
    pub fn keys(&self) -> Vec<String> {
        self.state.objects.lock().unwrap().keys().cloned().collect()
    }
}

impl State {
    fn serve(&self, stream: TcpStream) {
        stream.set_nodelay(true).unwrap();
        let mut writer = stream.try_clone().unwrap();
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader) {
            let mut response = self.answer(&request);
            let last = request.header("connection") == Some("close");
            if last {
                response = response.with("connection", "close");
            }
            if response.write(&mut writer, request.method == "HEAD").is_err() || last {
                return;
            }
        }
    }

    pub fn answer(&self, request: &Request) -> Response {
        self.requests.fetch_add(1, Ordering::SeqCst);
        let now = OffsetDateTime::now_utc() + time::Duration::seconds(self.rules.ahead);
        let response = match &self.rules.always {
            Some(response) => response.clone(),
            None => self.objects(request, now),
        };
        response.with("date", http_date(now))
    }

    fn objects(&self, request: &Request, now: OffsetDateTime) -> Response {
        let (path, query) = request.parsed();
        let mut objects = self.objects.lock().unwrap();
        let Some((_, key)) = path[1..].split_once('/').filter(|(_, key)| !key.is_empty()) else {
            return self.list(&objects, &query);
        };
        match request.method.as_str() {
            "PUT" => {
                self.puts.fetch_add(1, Ordering::SeqCst);
                let there = objects.get(key).map(|(bytes, _)| etag(bytes));
                let refused = self.refuses(request, there.as_deref());
                if refused.is_none() || self.rules.lies {
                    objects.insert(key.into(), (request.body.clone(), now));
                }
                let done =
                    Response::new(200, "").with("etag", format!("\"{}\"", etag(&request.body)));
                refused.unwrap_or(done)
            }
            "DELETE" => {
                objects.remove(key);
                Response::new(204, "")
            }
            "GET" | "HEAD" => match objects.get(key) {
                None => Response::error(404, "NoSuchKey"),
                Some((bytes, at)) => get(request, bytes)
                    .with("etag", format!("\"{}\"", etag(bytes)))
                    .with("last-modified", http_date(*at)),
            },
            _ => Response::error(405, "MethodNotAllowed"),
        }
    }

    fn refuses(&self, request: &Request, there: Option<&str>) -> Option<Response> {
        let failed = Some(Response::error(412, "PreconditionFailed"));
        if request.header("if-none-match").is_some()
            && self.rules.honours_if_none_match
            && there.is_some()
        {
            return failed;
        }
        let wanted = request.header("if-match").filter(|_| self.rules.honours_if_match)?;
        let Some(there) = there else { return Some(Response::error(404, "NoSuchKey")) };
        let there = if self.rules.quoted { format!("\"{there}\"") } else { there.into() };
        if wanted == there { None } else { failed }
    }

    fn list(
        &self,
        objects: &BTreeMap<String, (Vec<u8>, OffsetDateTime)>,
        query: &[(String, String)],
    ) -> Response {
        let get = |name: &str| query.iter().find(|(k, _)| k == name).map(|(_, v)| v.as_str());
        let prefix = get("prefix").unwrap_or("");
        let after = get("continuation-token").or(get("start-after")).unwrap_or("");
        let asked = get("max-keys").and_then(|n| n.parse().ok()).unwrap_or(1000);
        let page = self.rules.page.min(asked);
        let mut xml = String::from("<?xml version=\"1.0\"?><ListBucketResult>");
        let below = objects.range(prefix.to_owned()..).take_while(|(k, _)| k.starts_with(prefix));
        let mut found = below.filter(|(k, _)| k.as_str() > after).peekable();
        let mut last = "";
        for (key, (bytes, at)) in found.by_ref().take(page) {
            last = key;
            let at = at.format(&Rfc3339).unwrap();
            let (name, tag) = (escaped(key), etag(bytes));
            let size = bytes.len();
            xml += &format!(
                "<Contents><Key>{name}</Key><LastModified>{at}</LastModified><ETag>&quot;{tag}&quot;</ETag><Size>{size}</Size></Contents>"
            );
        }
        if found.peek().is_some() {
            let last = escaped(last);
            xml += &format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
            );
        }
        Response::new(200, xml + "</ListBucketResult>")
    }
}

fn get(request: &Request, bytes: &[u8]) -> Response {
    let Some(range) = request.header("range") else { return Response::new(200, bytes) };
    let (from, to) = range.strip_prefix("bytes=").unwrap().split_once('-').unwrap();
    let from: usize = from.parse().unwrap();
    if from >= bytes.len() {
        return Response::error(416, "InvalidRange");
    }
    let to = to.parse::<usize>().map_or(bytes.len(), |to| bytes.len().min(to.saturating_add(1)));
    Response::new(206, &bytes[from..to])
        .with("content-range", format!("bytes {from}-{}/{}", to - 1, bytes.len()))
}

fn etag(bytes: &[u8]) -> String {
    Sha256::digest(bytes)[..16].iter().map(|b| format!("{b:02x}")).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn http_date(at: OffsetDateTime) -> String {
    at.format(&Rfc2822).unwrap().replace("+0000", "GMT")
}
