//! One connection: requests in, calls of tools and looks at resources out.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use brio_host::StopToken;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
    ListResourceTemplatesResult, ListResourcesResult, ListToolsResult, PaginatedRequestParams,
    ReadResourceRequestParams, ReadResourceResponse, ResourceUpdatedNotificationParam,
    ServerCapabilities, ServerConfig, SubscribeRequestParams, SubscriptionFilter, Tool,
    UnsubscribeRequestParams,
};
use rmcp::service::{NotificationContext, RequestContext, SubscriptionContext};
use rmcp::{ErrorData, Peer, RoleServer, ServerHandler};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::desk::Caller;
use super::name::Named;
use super::tools::Answer;
use super::watch::{News, Subscribed};
use super::{Server, resources, watch};

/// Resources that one connection may subscribe to.
const MOST_SUBSCRIPTIONS: usize = 1000;
/// Characters of a client's name.
const LONGEST_NAME: usize = 80;
/// How often it is looked whether a client that hears no news is still there.
const PULSE: Duration = Duration::from_secs(10);

const INSTRUCTIONS: &str = "Work on files in a session: a copy-on-write branch of a directory, \
    which nobody else sees until it lands. session_begin gives an id; read_file, write_file, edit, \
    remove, list_directory and search work in it; diff shows what it changed; commit lands all of \
    it in the directory at once, or rollback throws it away. undo takes a landing back. Notes \
    (read_note, write_note, list_notes) and the project's state (get_project_state, \
    set_project_state) are there for whoever comes next; they apply at once, unless they are \
    written in a session. An error says in its hint what to do next.";

/// A connection to one client.
pub(super) struct Connection {
    server: Server,
    /// What it wants to hear of, by the protocol's older way.
    subscribed: Arc<Subscribed>,
}

impl Connection {
    pub(super) fn new(server: Server) -> Self {
        Self { server, subscribed: Arc::default() }
    }
}

impl ServerHandler for Connection {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_resources_list_changed()
            .enable_resources_subscribe()
            .build();
        let info = Implementation::new("brio", env!("CARGO_PKG_VERSION")).with_title("Brio");
        ServerConfig::new(capabilities).with_server_info(info).with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let tools = self.server.tools.iter().map(|def| def.tool.clone()).collect();
        Ok(ListToolsResult::with_all_items(tools))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.server.tools.iter().find(|def| def.tool.name == name).map(|def| def.tool.clone())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let server = self.server.clone();
        let Some(at) = server.tools.iter().position(|def| def.tool.name == request.name) else {
            let what = format!("there is no tool {}", request.name);
            return Err(ErrorData::invalid_params(what, None));
        };
        let client = context.client_info().map(|info| named(&info.name));
        let caller = Caller { client, stop: StopToken::default() };
        // A client that goes, or does not wait any more, ends what it began.
        let stop = StopAtEnd(caller.stop.clone());
        let runs = server.tools[at].runs;
        let places = if runs { &server.desk.runs } else { &server.desk.calls };
        let work = async {
            let _place = places.acquire().await;
            let (server, caller) = (server.clone(), caller.clone());
            let input = request.arguments.unwrap_or_default();
            let call = move || {
                let _going_on = server.desk.begins(&caller.stop)?;
                (server.tools[at].call)(&server.desk, &caller, input)
            };
            tokio::task::spawn_blocking(call).await
        };
        tokio::pin!(work);
        let done = tokio::select! {
            done = &mut work => done,
            () = context.ct.cancelled() => {
                caller.stop.stop();
                work.await
            }
        };
        drop(stop);
        let result = match done {
            Ok(Ok(Answer { document, text })) => {
                let text = text.unwrap_or_else(|| document.to_string());
                let mut result = CallToolResult::structured(document);
                result.content = vec![ContentBlock::text(text)];
                result
            }
            Ok(Err(failure)) => failure.into_result(),
            Err(error) => {
                tracing::error!(tool = %request.name, %error, "a tool ended without an answer");
                return Err(ErrorData::internal_error("the tool ended without an answer", None));
            }
        };
        Ok(result.into())
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let desk = self.server.desk.clone();
        let cursor = request.and_then(|request| request.cursor);
        blocking(move || resources::list(&desk, cursor.as_deref())).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        let desk = self.server.desk.clone();
        let read = blocking(move || resources::read(&desk, &request.uri)).await?;
        Ok(read.into())
    }

    #[allow(deprecated, reason = "what clients of the older protocol know")]
    async fn subscribe(
        &self,
        request: SubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let uri = request.uri;
        if Named::parse(&uri).is_none() {
            return Err(resources::unknown(&uri));
        }
        {
            let mut subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
            if subscribed.len() >= MOST_SUBSCRIPTIONS && !subscribed.contains(&uri) {
                let what = format!("a connection has at most {MOST_SUBSCRIPTIONS} subscriptions");
                return Err(ErrorData::invalid_request(what, None));
            }
            subscribed.insert(uri.clone());
        }
        let desk = self.server.desk.clone();
        blocking(move || {
            desk.remember([uri]);
            Ok(())
        })
        .await
    }

    #[allow(deprecated, reason = "what clients of the older protocol know")]
    async fn unsubscribe(
        &self,
        request: UnsubscribeRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let mut subscribed = self.subscribed.lock().unwrap_or_else(PoisonError::into_inner);
        subscribed.remove(&request.uri);
        Ok(())
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        let mut accepted = requested.clone();
        if let Some(uris) = &mut accepted.resource_subscriptions {
            uris.retain(|uri| Named::parse(uri).is_some());
            uris.truncate(MOST_SUBSCRIPTIONS);
        }
        Some(accepted)
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let accepted = context.accepted().clone();
        let wanted: BTreeSet<_> =
            accepted.resource_subscriptions.unwrap_or_default().into_iter().collect();
        let subscribed = Arc::new(Mutex::new(wanted.clone()));
        let mut news = self.server.desk.listener(&subscribed);
        remember(&self.server, wanted.clone());
        let sink = context.sink().clone();
        loop {
            let told = tokio::select! {
                told = news.recv() => told,
                () = context.cancelled() => return Ok(()),
            };
            let Some((list, uris)) = concerned(told, &subscribed) else { return Ok(()) };
            if list && accepted.resources_list_changed == Some(true) {
                let _ = sink.notify_resource_list_changed().await;
            }
            for uri in uris {
                let _ = sink.notify_resource_updated(uri).await;
            }
        }
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let subscribed = self.subscribed.clone();
        let news = self.server.desk.listener(&subscribed);
        remember(&self.server, BTreeSet::new());
        tokio::spawn(tell(context.peer, news, subscribed));
    }
}

/// Has it looked how things are, by which changes are told.
fn remember(server: &Server, uris: BTreeSet<String>) {
    let desk = server.desk.clone();
    tokio::task::spawn_blocking(move || desk.remember(uris));
}

/// Whether the list changed, and which resources; `None`: there will be no more news.
fn concerned(
    told: Result<News, RecvError>,
    subscribed: &Subscribed,
) -> Option<(bool, Vec<String>)> {
    let wanted = watch::subscriptions(subscribed);
    match told {
        Ok(News::List) => Some((true, Vec::new())),
        Ok(news) => Some((false, news.of(wanted))),
        // What was missed is not known: all of it may have changed.
        Err(RecvError::Lagged(_)) => Some((true, wanted.into_iter().collect())),
        Err(RecvError::Closed) => None,
    }
}

/// Tells a client of what it subscribed to, and of what comes and goes, until it is gone.
async fn tell(peer: Peer<RoleServer>, mut news: Receiver<News>, subscribed: Arc<Subscribed>) {
    loop {
        let told = tokio::select! {
            told = news.recv() => told,
            () = tokio::time::sleep(PULSE) => match peer.is_transport_closed() {
                true => return,
                false => continue,
            },
        };
        let Some((list, uris)) = concerned(told, &subscribed) else { return };
        if list && peer.notify_resource_list_changed().await.is_err() {
            return;
        }
        for uri in uris {
            let told = ResourceUpdatedNotificationParam::new(uri);
            if peer.notify_resource_updated(told).await.is_err() {
                return;
            }
        }
    }
}

/// What a client calls itself, as others are shown it.
fn named(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect()
}

async fn blocking<T: Send + 'static>(
    f: impl FnOnce() -> Result<T, ErrorData> + Send + 'static,
) -> Result<T, ErrorData> {
    tokio::task::spawn_blocking(f).await.unwrap_or_else(|error| {
        tracing::error!(%error, "a request ended without an answer");
        Err(ErrorData::internal_error("the request ended without an answer", None))
    })
}

struct StopAtEnd(StopToken);

impl Drop for StopAtEnd {
    fn drop(&mut self) {
        self.0.stop();
    }
}
