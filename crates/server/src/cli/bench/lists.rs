//! Lists, open calls and single calls against the size of the table.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::child::Server;
use super::http::{Connection, get};
use super::{Figure, accept, figure, millis, percentile};

/// How many requests each figure rests on.
const REQUESTS: usize = 300;

/// Measures at each size, in calls.
pub(super) async fn measure(sizes: &[u64]) -> anyhow::Result<Vec<Figure>> {
    let server = Server::full(None).await?;
    let tenant = server.tenant("lists").await?;
    let mut figures = Vec::new();
    let mut sizes = sizes.to_vec();
    sizes.sort_unstable();
    let most = sizes.last().copied().unwrap_or(0);
    let mut filled = 0_u64;
    let maker = tenant.clone();
    let about = usize::try_from(most * 4)?;
    let requests = tokio::task::spawn_blocking(move || accept::calls(&maker, about)).await?;
    let per_call = 4;
    for size in sizes {
        let from = usize::try_from(filled * per_call)?.min(requests.len());
        let to = usize::try_from(size * per_call)?.min(requests.len());
        fill(&server.address, &requests[from..to]).await?;
        filled = size;
        let path = "/api/calls?limit=50";
        let mut connection = Connection::open(&server.address).await?;
        let one = one_call(&server, &tenant.key).await?;
        for (what, path) in [
            ("list", path.to_owned()),
            ("open calls", "/api/calls/active".to_owned()),
            ("one call", format!("/api/calls/{one}")),
        ] {
            let request = get(&path, &tenant.key);
            let mut taken = Vec::new();
            for _ in 0..REQUESTS {
                let start = Instant::now();
                connection.request(&request).await?;
                taken.push(start.elapsed());
            }
            taken.sort_unstable();
            let (p50, p99) = (percentile(&taken, 0.5), percentile(&taken, 0.99));
            let note = format!("p50 {:.2} ms", millis(p50));
            figures.push(figure(
                &format!("{what}, {size} calls, p99"),
                millis(p99),
                "ms",
                note,
            ));
        }
    }
    Ok(figures)
}

/// Posts all requests once, over several connections.
pub(super) async fn fill(address: &str, requests: &[Vec<u8>]) -> anyhow::Result<()> {
    let shares: Vec<Arc<Vec<Vec<u8>>>> = (0..64)
        .map(|n| Arc::new(requests.iter().skip(n).step_by(64).cloned().collect()))
        .collect();
    let mut workers = tokio::task::JoinSet::new();
    for share in shares {
        let mut connection = Connection::open(address).await?;
        workers.spawn(async move {
            for request in share.iter() {
                connection.request(request).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(worker) = workers.join_next().await {
        worker??;
    }
    tokio::time::sleep(Duration::from_millis(200)).await;
    Ok(())
}

async fn one_call(server: &Server, key: &str) -> anyhow::Result<String> {
    let url = format!("http://{}/api/calls?limit=1", server.address);
    let client = reqwest::Client::builder().build()?;
    let page: Value = client
        .get(url)
        .header("x-api-key", key)
        .send()
        .await?
        .json()
        .await?;
    Ok(page["data"][0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned())
}
