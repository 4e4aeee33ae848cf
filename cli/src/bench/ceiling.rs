//! What this machine can do at most: unary calls that do nothing, over the same TLS, connections and concurrency.

use std::time::Duration;

use server_kit::clock::Stopwatch;
use tonic::Status;
use tonic::transport::Channel;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

use super::latency::Latencies;

/// Calls the health service over all channels with so many calls in flight; gives the calls a second.
pub async fn run(channels: &[Channel], in_flight: usize, span: Duration) -> Result<(f64, Latencies), Box<Status>> {
    let watch = Stopwatch::start();
    let tasks: Vec<_> = channels
        .iter()
        .cycle()
        .take(in_flight)
        .map(|channel| tokio::spawn(call_until(channel.clone(), watch, span)))
        .collect();
    let mut all = Latencies::default();
    for task in tasks {
        let latencies = task.await.map_err(|error| Box::new(Status::internal(error.to_string())))??;
        all.merge(&latencies);
    }
    Ok((all.count() as f64 / watch.elapsed().as_secs_f64(), all))
}

async fn call_until(channel: Channel, watch: Stopwatch, span: Duration) -> Result<Latencies, Box<Status>> {
    let mut latencies = Latencies::default();
    let mut client = HealthClient::new(channel);
    while watch.elapsed() < span {
        let begun = watch.elapsed();
        client.check(HealthCheckRequest { service: String::new() }).await.map_err(Box::new)?;
        latencies.record(watch.elapsed().saturating_sub(begun));
    }
    Ok(latencies)
}
