//! Telemetry as the recorder of a whole process.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uwasa_agent::metrics::{Sinks, start};

#[tokio::test]
async fn telemetry_records_for_the_whole_process_and_starts_once() {
    let sinks = Sinks { prometheus: Some("127.0.0.1:0".to_owned()), ..Sinks::default() };
    let telemetry = start(&sinks).unwrap();
    metrics::counter!("serf.queries").increment(2);
    assert_eq!(telemetry.dump(), "", "no interval is complete");

    let address = telemetry.prometheus_addr().unwrap();
    let page = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").await.unwrap();
        let mut page = String::new();
        stream.read_to_string(&mut page).await.unwrap();
        page
    };
    let page = tokio::time::timeout(Duration::from_secs(10), page).await.unwrap();
    assert!(page.contains("\nserf_agent_serf_queries_total 2\n"), "{page}");

    let error = start(&Sinks::default()).unwrap_err().to_string();
    assert_eq!(error, "Metrics are already recorded in this process");
}
