//! Facts about listeners that go while the task stays.

use super::{DispatchSettings, Dispatcher, Told};
use crate::listener::Listener;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

struct Deaf;

impl Told for Deaf {}

#[tokio::test]
async fn a_listener_is_closed_with_its_guard_and_what_it_has_brought_stays() {
    let settings = DispatchSettings {
        connections_per_worker: 1,
        requests_per_worker: 1000,
        connections_in_all: None,
        waiting_max: 9,
        waiting_for: Duration::from_secs(60),
    };
    let dispatcher = Dispatcher::start(settings, Arc::new(Deaf));
    let bind = || Listener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let (first, second) = (bind(), bind());
    let [gone, stays] = [first.address(), second.address()];
    let guard = dispatcher.listen_for_now(first).unwrap();
    dispatcher.listen(second).unwrap();
    let _client = TcpStream::connect(gone).await.unwrap();
    drop(guard);
    while TcpStream::connect(gone).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let _other = TcpStream::connect(stays).await.unwrap();
    while dispatcher.numbers().waiting < 2 {
        tokio::task::yield_now().await;
    }
}
