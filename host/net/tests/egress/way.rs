//! Two ways to an egress, in this process and by a relay: what holds for one holds for the other.

use std::cell::Cell;
use std::sync::{Arc, Mutex};

use brio_net::{Egress, EgressOptions, NetError, NetErrorKind, RequestRecord, Timeouts};
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use http_body_util::combinators::UnsyncBoxBody;

/// Each of them is a test of either way.
macro_rules! both_ways {
    ($($test:ident,)*) => {
        mod in_process {
            $(#[test]
            fn $test() {
                crate::way::go(false, super::$test);
            })*
        }
        #[cfg(unix)]
        mod by_relay {
            $(#[test]
            fn $test() {
                crate::way::go(true, super::$test);
            })*
        }
    };
}
pub(crate) use both_ways;

thread_local! {
    static BY_RELAY: Cell<bool> = const { Cell::new(false) };
}

pub(crate) fn go<T>(by_relay: bool, test: impl FnOnce() -> T) -> T {
    BY_RELAY.set(by_relay);
    test()
}

/// What went wrong, as the person is told: a guest that is behind a relay is told less.
#[derive(Debug)]
pub(crate) struct Said(String);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// An egress, by the way of the test.
#[derive(Clone)]
pub(crate) struct Net {
    egress: Egress,
    by_relay: bool,
    /// Of the request that ended last.
    error: Arc<Mutex<Option<NetError>>>,
}

impl std::fmt::Debug for Net {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.egress.fmt(f)
    }
}

impl Net {
    pub(crate) fn new(mut options: EgressOptions) -> Self {
        let error = Arc::new(Mutex::new(None));
        let (last, observer) = (error.clone(), options.observer.take());
        options.observer = Some(Arc::new(move |record: &RequestRecord| {
            *last.lock().unwrap() = record.error.clone();
            observer.iter().for_each(|observer| observer(record));
        }));
        Self { egress: Egress::new(options).unwrap(), by_relay: BY_RELAY.get(), error }
    }

    pub(crate) async fn send<B>(
        &self,
        request: Request<B>,
        times: Timeouts,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Said>>, Said>
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        if !self.by_relay {
            let said = |e: NetError| Said(e.to_string());
            let response = self.egress.send(request, times).await.map_err(said)?;
            return Ok(response.map(|body| body.map_err(said).boxed_unsync()));
        }
        #[cfg(unix)]
        {
            let relay = crate::relay::relay(&self.egress).0;
            let response = relay.send(request, times).await.map_err(|e| self.said(e))?;
            let net = self.clone();
            Ok(response.map(|body| body.map_err(move |e| net.said(e)).boxed_unsync()))
        }
        #[cfg(not(unix))]
        unreachable!("there are no relays")
    }

    /// What the record has, of which the guest was told the kind. One beyond the limit has none.
    fn said(&self, kind: NetErrorKind) -> Said {
        let Some(error) = self.error.lock().unwrap().take() else { return Said(kind.to_string()) };
        assert_eq!(error.kind(), kind, "{error}");
        assert!(kind.to_string().starts_with(error.code()), "{kind}");
        Said(error.to_string())
    }

    pub(crate) fn close(&self) -> Vec<RequestRecord> {
        self.egress.close()
    }
}
