//! Hearing of the commits of other nodes. Only a hint: whoever is woken reads the log, and after
//! every reconnection the heads of all logs are looked at, so that a lost hint costs a moment
//! and nothing else.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::poll_fn;
use switchhook_domain::id::AppId;
use switchhook_engine::store::{StoreResult, Wake};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{broadcast, mpsc};
use tokio_postgres::{AsyncMessage, Client, Connection, NoTls};

use super::scope::EVERYWHERE_FOR_SESSION;
use super::session::{CONNECT, Target, column, column_count, fault, in_time};

/// How long to wait before connecting anew.
const PAUSE: Duration = Duration::from_millis(500);
/// How often the connection is tried and the heads are looked at, in case it is dead without
/// saying so.
const CHECK: Duration = Duration::from_secs(15);

/// Hears notifications until it is dropped.
pub(super) struct Listener {
    pub(super) target: Target,
    pub(super) wakes: broadcast::Sender<Wake>,
    /// The name of this node in notifications.
    pub(super) node: Arc<str>,
    /// The highest position heard of.
    pub(super) heads: HashMap<AppId, u64>,
}

impl Listener {
    /// Never ends.
    pub(super) async fn run(mut self) {
        loop {
            if let Err(error) = self.listen().await {
                tracing::debug!(%error, "listening for other nodes was interrupted");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn listen(&mut self) -> StoreResult<()> {
        let (texts, mut heard) = mpsc::channel(1024);
        let client = in_time(self.target.patience, self.connect(texts)).await?;
        in_time(CONNECT, async {
            client
                // The heads of all logs; this connection does nothing else.
                .batch_execute(&format!("{EVERYWHERE_FOR_SESSION}; LISTEN switchhook"))
                .await
                .map_err(fault)
        })
        .await?;
        self.look(&client).await?;
        loop {
            match tokio::time::timeout(CHECK, heard.recv()).await {
                Ok(Some(text)) => self.hear(&text),
                Ok(None) => return Ok(()),
                Err(_) => self.look(&client).await?,
            }
        }
    }

    async fn connect(&self, texts: mpsc::Sender<String>) -> StoreResult<Client> {
        match &self.target.tls {
            None => {
                let (client, connection) =
                    self.target.config.connect(NoTls).await.map_err(fault)?;
                tokio::spawn(drive(connection, texts));
                Ok(client)
            }
            Some(tls) => {
                let (client, connection) = self
                    .target
                    .config
                    .connect(tls.clone())
                    .await
                    .map_err(fault)?;
                tokio::spawn(drive(connection, texts));
                Ok(client)
            }
        }
    }

    /// Looks at all heads; wakes where one has moved.
    async fn look(&mut self, client: &Client) -> StoreResult<()> {
        let sql = "SELECT id, head_seq FROM apps";
        let rows = in_time(CONNECT, async {
            client.query(sql, &[]).await.map_err(fault)
        })
        .await?;
        for row in rows {
            self.moved(AppId(column(&row, "id")?), column_count(&row, "head_seq")?);
        }
        Ok(())
    }

    /// `<app>:<head>:<node>`.
    fn hear(&mut self, text: &str) {
        let mut parts = text.splitn(3, ':');
        let app = parts.next().and_then(|app| app.parse().ok());
        let head = parts.next().and_then(|head| head.parse().ok());
        let (Some(app), Some(head)) = (app, head) else {
            return;
        };
        if parts.next() == Some(&self.node) {
            // Told by the writer, with the events.
            let known = self.heads.entry(app).or_default();
            *known = (*known).max(head);
        } else {
            self.moved(app, head);
        }
    }

    fn moved(&mut self, app_id: AppId, head: u64) {
        let known = self.heads.entry(app_id).or_default();
        if head > *known {
            *known = head;
            drop(self.wakes.send(Wake {
                app_id,
                head,
                events: Vec::new(),
            }));
        }
    }
}

/// Drives the connection and hands on what it hears.
async fn drive<S, T>(mut connection: Connection<S, T>, texts: mpsc::Sender<String>)
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    T: AsyncRead + AsyncWrite + Unpin + Send,
{
    let mut messages = poll_fn(|context| connection.poll_message(context));
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(hint) = message
            && texts.send(hint.payload().to_owned()).await.is_err()
        {
            return;
        }
    }
}
