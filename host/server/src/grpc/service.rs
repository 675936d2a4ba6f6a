//! The methods: each counted, bounded, and ended with its client.

use std::sync::Arc;

use tokio::sync::Semaphore;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status};

use super::answers::{Answers, StopAtEnd, Teller, stream};
use super::counts::Counting;
use super::desk::{Caller, Desk};
use super::fault::Fault;
use super::proto::session_service_server::SessionService;
use super::{diff, events, proto, run, sessions};

/// By which a client says what it is called, and how long that may be.
const CLIENT: &str = "brio-client";
const LONGEST_NAME: usize = 80;
/// How many changes there are beyond those that an answer has.
const MORE: &str = "brio-changes-more";

type Answer<T> = Result<Response<T>, Status>;

/// What every connection asks.
pub(super) struct Service {
    desk: Arc<Desk>,
}

impl Service {
    pub(super) fn new(desk: Arc<Desk>) -> Self {
        Self { desk }
    }

    /// Answers one message with one. When the client goes, it is told to end.
    async fn answer<A, T>(
        &self,
        method: &'static str,
        request: Request<A>,
        work: impl FnOnce(&Desk, &Caller, A) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Status>
    where
        A: Send + 'static,
        T: Send + 'static,
    {
        let mut counting = self.desk.counts.begins(method);
        let caller = caller(request.metadata());
        let _ends = StopAtEnd(caller.stop.clone());
        let done = self.work(caller, request.into_inner(), work).await;
        let done = done.map_err(Status::from);
        counting.ended(done.as_ref().map_or_else(Status::code, |_| Code::Ok));
        done
    }

    async fn work<A, T>(
        &self,
        caller: Caller,
        asked: A,
        work: impl FnOnce(&Desk, &Caller, A) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault>
    where
        A: Send + 'static,
        T: Send + 'static,
    {
        // Kept until it is done, also when nobody waits for it any more.
        let place = self.desk.calls.clone().acquire_owned().await;
        let desk = self.desk.clone();
        let work = move || {
            let _place = place;
            let _going_on = desk.begins(&caller.stop)?;
            work(&desk, &caller, asked)
        };
        tokio::task::spawn_blocking(work).await.unwrap_or_else(|e| Err(broke(&e)))
    }

    /// Answers one message with a stream. `places`: so many of a kind go on at once.
    async fn tell<A, T>(
        &self,
        counting: Counting,
        places: &Arc<Semaphore>,
        request: Request<A>,
        work: impl FnOnce(&Desk, &Caller, A, &Teller<T>) -> Result<(), Fault> + Send + 'static,
    ) -> Answer<Answers<T>>
    where
        A: Send + 'static,
        T: Send + 'static,
    {
        let caller = caller(request.metadata());
        let asked = request.into_inner();
        let ends = StopAtEnd(caller.stop.clone());
        let place = places.clone().acquire_owned().await;
        let desk = self.desk.clone();
        let (to, answers) = stream(counting, ends);
        tokio::spawn(async move {
            let tells = to.clone();
            let work = move || {
                let _place = place;
                let _going_on = desk.begins(&caller.stop)?;
                work(&desk, &caller, asked, &tells)
            };
            let done = tokio::task::spawn_blocking(work).await;
            if let Err(fault) = done.unwrap_or_else(|e| Err(broke(&e))) {
                to.fail(fault).await;
            }
        });
        Ok(Response::new(answers))
    }
}

fn broke(error: &tokio::task::JoinError) -> Fault {
    tracing::error!(%error, "a call ended without an answer");
    Fault::new("FAILED", "the call ended without an answer; the server's log says why")
}

fn caller(metadata: &MetadataMap) -> Caller {
    let name = metadata.get(CLIENT).and_then(|name| name.to_str().ok());
    let name = name.map(|name| name.trim().chars().take(LONGEST_NAME).collect::<String>());
    Caller { client: name.filter(|name| !name.is_empty()), ..Caller::default() }
}

#[tonic::async_trait]
impl SessionService for Service {
    type DiffSessionStream = Answers<proto::DiffSessionResponse>;
    type RunAgentStream = Answers<proto::RunAgentResponse>;
    type WatchEventsStream = Answers<proto::WatchEventsResponse>;

    async fn start_session(
        &self,
        request: Request<proto::StartSessionRequest>,
    ) -> Answer<proto::StartSessionResponse> {
        let (begun, told) = self.answer("StartSession", request, sessions::start).await?;
        begun.told();
        Ok(Response::new(told))
    }

    async fn land_session(
        &self,
        request: Request<proto::LandSessionRequest>,
    ) -> Answer<proto::LandSessionResponse> {
        let land = |desk: &Desk, _: &Caller, asked| sessions::land(desk, asked);
        let (landed, more) = self.answer("LandSession", request, land).await?;
        let mut response = Response::new(landed);
        if more > 0 {
            response.metadata_mut().insert(MORE, MetadataValue::from(more));
        }
        Ok(response)
    }

    async fn rollback_session(
        &self,
        request: Request<proto::RollbackSessionRequest>,
    ) -> Answer<proto::RollbackSessionResponse> {
        let rollback = |desk: &Desk, _: &Caller, asked| sessions::rollback(desk, asked);
        self.answer("RollbackSession", request, rollback).await.map(Response::new)
    }

    async fn get_session(
        &self,
        request: Request<proto::GetSessionRequest>,
    ) -> Answer<proto::GetSessionResponse> {
        let get = |desk: &Desk, _: &Caller, asked| sessions::get(desk, asked);
        self.answer("GetSession", request, get).await.map(Response::new)
    }

    async fn list_sessions(
        &self,
        request: Request<proto::ListSessionsRequest>,
    ) -> Answer<proto::ListSessionsResponse> {
        let list = |desk: &Desk, _: &Caller, asked| sessions::list(desk, asked);
        self.answer("ListSessions", request, list).await.map(Response::new)
    }

    async fn diff_session(
        &self,
        request: Request<proto::DiffSessionRequest>,
    ) -> Answer<Self::DiffSessionStream> {
        let diff = |desk: &Desk, _: &Caller, asked, to: &Teller<_>| diff::diff(desk, &asked, to);
        let counting = self.desk.counts.begins("DiffSession");
        self.tell(counting, &self.desk.diffs, request, diff).await
    }

    async fn run_agent(
        &self,
        request: Request<proto::RunAgentRequest>,
    ) -> Answer<Self::RunAgentStream> {
        let counting = self.desk.counts.begins("RunAgent");
        self.tell(counting, &self.desk.runs, request, run::run).await
    }

    async fn watch_events(
        &self,
        request: Request<proto::WatchEventsRequest>,
    ) -> Answer<Self::WatchEventsStream> {
        let mut counting = self.desk.counts.begins("WatchEvents");
        let caller = caller(request.metadata());
        let ends = StopAtEnd(caller.stop.clone());
        let open = |desk: &Desk, caller: &Caller, asked| events::open(desk, &asked, &caller.stop);
        let opened = self.work(caller, request.into_inner(), open).await.map_err(|fault| {
            let status = Status::from(fault);
            counting.ended(status.code());
            status
        })?;
        let (to, answers) = stream(counting, ends);
        tokio::spawn(events::watch(self.desk.clone(), opened, to));
        Ok(Response::new(answers))
    }
}
