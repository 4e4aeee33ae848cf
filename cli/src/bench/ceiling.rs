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

/// Has each payer make the calls of a payment without what is in them: two at the terminal, and one over the phone's connection, where the charge
/// comes. Gives how often all three were made in a second.
pub async fn run_bare(payers: &[(Channel, Channel)], span: Duration) -> Result<f64, Box<Status>> {
    let watch = Stopwatch::start();
    let payers = payers.iter().cloned();
    let tasks: Vec<_> = payers.map(|(till, phone)| tokio::spawn(call_bare(till, phone, watch, span))).collect();
    let mut all = 0_u64;
    for task in tasks {
        all += task.await.map_err(|error| Box::new(Status::internal(error.to_string())))??;
    }
    Ok(all as f64 / watch.elapsed().as_secs_f64())
}

async fn call_bare(till: Channel, phone: Channel, watch: Stopwatch, span: Duration) -> Result<u64, Box<Status>> {
    let (mut till, mut phone) = (HealthClient::new(till), HealthClient::new(phone));
    let nothing = || HealthCheckRequest { service: String::new() };
    let mut made = 0;
    while watch.elapsed() < span {
        till.check(nothing()).await.map_err(Box::new)?;
        till.check(nothing()).await.map_err(Box::new)?;
        phone.check(nothing()).await.map_err(Box::new)?;
        made += 1;
    }
    Ok(made)
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
