//! One client, through standard input and output.

use std::io;
use std::time::Duration;

use brio_host::StopToken;
use rmcp::ServiceExt;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;

use super::Server;
use super::handler::Connection;

/// Bytes of a message: a file of the largest size, as base64 or escaped, with room beside it.
const LONGEST: usize = 32 << 20;
/// How often it is looked whether the server is to end.
const TICK: Duration = Duration::from_millis(100);

impl Server {
    /// Serves the client at standard input and output until it closes them or `stop` comes. What
    /// it runs then is ended first. Nothing else may write to standard output meanwhile.
    ///
    /// # Errors
    /// The host's, and a client that does not speak the protocol.
    pub fn serve_stdio(&self, stop: &StopToken) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("brio-mcp")
            .enable_all()
            .build()?;
        let served = runtime.block_on(async {
            let transport = AsyncRwTransport::new(tokio::io::stdin(), tokio::io::stdout())
                .with_max_line_length(LONGEST);
            tokio::select! {
                served = self.converse(transport) => served,
                () = stopped(stop) => Ok(()),
            }
        });
        self.end();
        // Reading standard input cannot be given up: nobody waits for that thread.
        runtime.shutdown_background();
        served
    }

    async fn converse<R, W>(
        &self,
        transport: AsyncRwTransport<rmcp::RoleServer, R, W>,
    ) -> io::Result<()>
    where
        R: tokio::io::AsyncRead + Send + Unpin + 'static,
        W: tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let running = match Connection::new(self.clone()).serve(transport).await {
            Ok(running) => running,
            // It went before it had said anything.
            Err(ServerInitializeError::ConnectionClosed(_)) => return Ok(()),
            Err(e) => return Err(io::Error::other(e.to_string())),
        };
        running.waiting().await.map_err(io::Error::other)?;
        Ok(())
    }

    /// Ends what runs for clients, and waits until no call goes on: each gives its lease back.
    pub(super) fn end(&self) {
        self.desk.end();
        self.desk.wait();
    }
}

pub(super) async fn stopped(stop: &StopToken) {
    while !stop.is_stopped() {
        tokio::time::sleep(TICK).await;
    }
}
