//! The connection to the server: begun when it is needed, begun again when it is lost.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ClientCapabilities, ClientConfig,
    Implementation, JsonObject, PaginatedRequestParams, ProtocolVersion,
};
use rmcp::service::{ClientLifecycleMode, ClientServiceExt, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::NeverRetry;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::away::Away;
use crate::http::Http;
use crate::shape::{Kind, Tools};

/// So many pages of tools are looked at for the four.
const MOST_PAGES: usize = 32;

/// What a connection was begun with, and what it is for.
pub(crate) struct Session {
    service: Mutex<RunningService<RoleClient, ClientConfig>>,
    peer: rmcp::Peer<RoleClient>,
    pub(crate) tools: Tools,
}

/// One server.
pub(crate) struct Link {
    http: Http,
    url: Arc<str>,
    timeout: Duration,
    current: Mutex<Option<Arc<Session>>>,
}

impl Link {
    pub(crate) fn new(http: Http, url: &str, timeout: Duration) -> Self {
        Self { http, url: url.into(), timeout, current: Mutex::default() }
    }

    /// The session, and whether it was there before.
    pub(crate) async fn session(&self) -> Result<(Arc<Session>, bool), Away> {
        let late = |_| Away::Late(self.timeout.as_secs());
        tokio::time::timeout(self.timeout, self.begin_or_take()).await.map_err(late)?
    }

    async fn begin_or_take(&self) -> Result<(Arc<Session>, bool), Away> {
        let mut current = self.current.lock().await;
        if let Some(session) =
            current.as_ref().filter(|session| !session.peer.is_transport_closed())
        {
            return Ok((session.clone(), true));
        }
        let session = Arc::new(self.begin().await?);
        *current = Some(session.clone());
        Ok((session, false))
    }

    async fn begin(&self) -> Result<Session, Away> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(self.url.clone())
            // With a new session comes another look at the tools: that is done here.
            .reinit_on_expired_session(false);
        // An answer that was cut off is none.
        config.retry_config = Arc::new(NeverRetry::default());
        let transport = StreamableHttpClientTransport::with_client(self.http.clone(), config);
        let client = Implementation::new("brio", env!("CARGO_PKG_VERSION"));
        let client = ClientConfig::new(ClientCapabilities::default(), client);
        let lifecycle = ClientLifecycleMode::Auto {
            preferred_versions: vec![ProtocolVersion::LATEST],
            legacy_version: None,
        };
        let service = client.serve_with_lifecycle(transport, lifecycle).await;
        let service = service.map_err(|e| Away::Start(Box::new(e)))?;
        let peer = service.peer().clone();
        let tools = tools(&peer).await?;
        Ok(Session { service: Mutex::new(service), peer, tools })
    }

    /// Calls a tool, with the arguments that its schema asks for. A session that the server does
    /// not know any more, which did nothing then, is begun again once.
    pub(crate) async fn call(
        &self,
        kind: Kind,
        arguments: impl Fn(&Tools) -> Result<JsonObject, Away>,
    ) -> Result<CallToolResult, Away> {
        let until = Instant::now() + self.timeout;
        loop {
            let late = |_| Away::Late(self.timeout.as_secs());
            let asking = async {
                let (session, old) = self.begin_or_take().await?;
                let params = CallToolRequestParams::new(kind.name());
                let params = params.with_arguments(arguments(&session.tools)?);
                Ok::<_, Away>((session.ask(params).await, session, old))
            };
            let asked = tokio::time::timeout_at(until, asking).await.map_err(late);
            let (answer, session, old) = match asked {
                Ok(asked) => asked?,
                Err(late) => {
                    self.forget(None).await;
                    return Err(late);
                }
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(away) => {
                    if !away.spares_the_session() {
                        self.forget(Some(&session)).await;
                    }
                    if !(old && away.is_forgotten()) {
                        return Err(away);
                    }
                }
            }
        }
    }

    /// The next call begins anew; unless another one has done that already.
    async fn forget(&self, session: Option<&Arc<Session>>) {
        let mut current = self.current.lock().await;
        let same = |now: &Arc<Session>| session.is_none_or(|lost| Arc::ptr_eq(now, lost));
        if current.as_ref().is_some_and(same) {
            *current = None;
        }
    }

    /// Takes leave of the server.
    pub(crate) async fn close(&self, patience: Duration) {
        if let Some(session) = self.current.lock().await.take() {
            let mut service = session.service.lock().await;
            // Whatever becomes of it: the server forgets by itself.
            let _ = service.close_with_timeout(patience).await;
        }
    }
}

impl Session {
    async fn ask(&self, params: CallToolRequestParams) -> Result<CallToolResult, Away> {
        match self.peer.call_tool_once(params).await {
            Ok(CallToolResponse::Complete(result)) => Ok(result),
            Ok(_) => Err(Away::said("it asks back, and nobody is there who could answer")),
            Err(e) => Err(Away::Call(Box::new(e))),
        }
    }
}

async fn tools(peer: &rmcp::Peer<RoleClient>) -> Result<Tools, Away> {
    let mut tools = Tools::default();
    let mut cursor = None;
    for _ in 0..MOST_PAGES {
        let page = PaginatedRequestParams::default().with_cursor(cursor);
        let page = peer.list_tools(Some(page)).await.map_err(|e| Away::Call(Box::new(e)))?;
        page.tools.iter().for_each(|tool| tools.add(tool));
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    Ok(tools)
}
