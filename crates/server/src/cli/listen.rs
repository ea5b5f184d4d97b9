//! `switchhook listen`: an app's events in the terminal, as a backend would get them.

use std::time::Duration;

use anyhow::Context as _;
use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::{Context, Failure, Outcome, output};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The server.
    #[arg(long, default_value = "http://127.0.0.1:4000", value_name = "URL")]
    url: String,
    /// API key of the app.
    #[arg(long, env = "SWITCHHOOK_API_KEY", hide_env_values = true)]
    key: String,
    /// Goes on after this position in the log.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Prints each frame as JSON, one a line.
    #[arg(long)]
    json: bool,
    /// Ends after this many events.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

pub(super) async fn run(args: Args, _context: &Context) -> Outcome {
    let mut position = Position {
        seq: args.after,
        epoch: None,
    };
    if args.after.is_some() {
        position.epoch = Some(epoch(&args).await?);
    }
    let mut told = 0_u64;
    let mut wait = Duration::from_millis(500);
    loop {
        match follow(&args, &mut position, &mut told).await {
            Ok(Ended::Enough) => return Ok(()),
            Ok(Ended::Refused(reason)) => return Err(Failure::Usage(reason)),
            Ok(Ended::Dropped) => wait = Duration::from_millis(500),
            Err(error) => output::remark(&format!("{error:#}")),
        }
        output::remark(&format!("Trying again in {} s.", wait.as_secs_f32()));
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(Duration::from_secs(30));
    }
}

/// The epoch of the log: a position is worth something only with it.
async fn epoch(args: &Args) -> anyhow::Result<String> {
    let url = format!("{}/api/events?limit=1", args.url.trim_end_matches('/'));
    let client = reqwest::Client::builder()
        .timeout(Duration::from_secs(10))
        .build()?;
    let answer = client
        .get(url)
        .header("x-app-api-key", &args.key)
        .send()
        .await
        // An address may hold a password.
        .map_err(reqwest::Error::without_url)
        .context("cannot ask the server")?;
    let page: Value = answer
        .error_for_status()
        .map_err(reqwest::Error::without_url)
        .context("cannot read the log")?
        .json()
        .await
        .map_err(reqwest::Error::without_url)?;
    let epoch = page["pagination"]["epoch"]
        .as_str()
        .context("the log has no epoch")?;
    Ok(epoch.to_owned())
}

struct Position {
    seq: Option<u64>,
    epoch: Option<String>,
}

enum Ended {
    Enough,
    Dropped,
    Refused(String),
}

async fn follow(args: &Args, position: &mut Position, told: &mut u64) -> anyhow::Result<Ended> {
    let base = args.url.trim_end_matches('/').replacen("http", "ws", 1);
    let mut url = format!("{base}/ws");
    if let Some(seq) = position.seq {
        url = format!("{url}?after={seq}");
        if let Some(epoch) = &position.epoch {
            url = format!("{url}&epoch={epoch}");
        }
    }
    let mut request = url.into_client_request().context("the URL is not good")?;
    let key = args.key.parse().context("the key is not good")?;
    request.headers_mut().insert("x-app-api-key", key);
    let connected = tokio_tungstenite::connect_async(request).await;
    let (mut socket, _) = match connected {
        Ok(connected) => connected,
        Err(tokio_tungstenite::tungstenite::Error::Http(response))
            if response.status().is_client_error() =>
        {
            let status = response.status();
            return Ok(Ended::Refused(format!(
                "the server refused the key: {status}"
            )));
        }
        Err(error) => return Err(error).context("cannot connect"),
    };
    while let Some(message) = socket.next().await {
        let text = match message.context("the connection broke")? {
            Message::Text(text) => text,
            Message::Close(Some(frame)) if (4401..=4403).contains(&u16::from(frame.code)) => {
                return Ok(Ended::Refused(frame.reason.to_string()));
            }
            _ => continue,
        };
        let frame: Value = serde_json::from_str(&text).context("the server sent no JSON")?;
        note(position, &frame);
        if args.json {
            output::say(&text);
        } else if let Some(line) = line(&frame) {
            output::say(&line);
        }
        if frame["type"] == "event" {
            *told += 1;
            if args.count.is_some_and(|count| *told >= count) {
                socket.send(Message::Close(None)).await?;
                return Ok(Ended::Enough);
            }
        }
    }
    Ok(Ended::Dropped)
}

fn note(position: &mut Position, frame: &Value) {
    if let Some(epoch) = frame["epoch"].as_str() {
        position.epoch = Some(epoch.to_owned());
    }
    let says_position = frame["type"] == "event" || frame["type"] == "snapshot";
    if let Some(seq) = frame["seq"].as_u64().filter(|_| says_position) {
        position.seq = Some(seq);
    }
}

fn line(frame: &Value) -> Option<String> {
    let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
    match frame["type"].as_str()? {
        "hello" => Some(format!("connected, log at {}", frame["seq"])),
        "snapshot" => {
            let calls = frame["calls"].as_array().map_or(0, Vec::len);
            Some(format!("{calls} calls open"))
        }
        "event" => {
            let contact = frame["data"]["call"]["contact"]["name"].as_str();
            let who = contact.map_or_else(|| text(&frame["from_number"]), str::to_owned);
            Some(format!(
                "{:>6}  {}  {:<22} {} → {}",
                frame["seq"],
                text(&frame["at"]),
                text(&frame["event"]),
                who,
                text(&frame["to_number"]),
            ))
        }
        _ => None,
    }
}
