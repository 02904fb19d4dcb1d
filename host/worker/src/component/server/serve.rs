//! A worker that serves, from its first word to its end.

use super::super::load::Http;
use super::client;
use super::epochs::Epochs;
use super::instances::Instances;
use super::link::{Gone, Link, watched};
use super::makings::Makings;
use super::state::Server;
use super::told::Told;
use crate::attempt::Error;
use crate::component::Prepared;
use crate::session::Session;
use crate::stdio;
use sandhog_protocol::http::{FromServer, ToServer};
use sandhog_protocol::plan::{Access, GuestPlan, HttpPlan, Isolation};
use sandhog_protocol::worker::{End, Report};
use std::future::poll_fn;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// Serves until its owner or its supervisor wants no more of it, and all that it has taken is answered.
///
/// # Errors
/// Where it can't begin.
pub(in super::super) async fn serve(
    (prepared, http): (&Prepared, &Http),
    (plan, settings): (&GuestPlan, &HttpPlan),
    directories: Vec<(OwnedFd, Access)>,
    connection: OwnedFd,
    mut session: Session,
) -> Result<Report, Error> {
    let link = Link::new(connection).map_err(Error::Socket)?;
    let epochs = Epochs::start(prepared.engine.clone(), is_for_one(settings)).map_err(Error::Runtime)?;
    let heard = session.control().as_fd().try_clone_to_owned();
    let heard = heard.and_then(|socket| watched(socket, Interest::READABLE)).map_err(Error::Socket)?;
    let makings = Makings::new((prepared, epochs), plan, settings, directories, session.beside());
    let instances = Instances::new(http, settings, makings);
    if let Err(end) = instances.prepare().await {
        return Ok(Report::of(end));
    }
    let server = Arc::new(Server::new(*settings, Told::new(link), instances));
    // Without anybody who hears the one or the other there is nothing to do.
    if session.ready().is_ok() && server.told.say(FromServer::Accepts).await.is_ok() {
        run(&server, &heard, &mut session).await;
    }
    server.instances.leave();
    Ok(Report {
        peak_memory_bytes: server.instances.peak_bytes(),
        written_bytes: stdio::written(),
        ..Report::of(End::Exited { code: 0 })
    })
}

/// Everything at once, until no connection is left and none will come.
async fn run(server: &Arc<Server>, heard: &AsyncFd<OwnedFd>, session: &mut Session) {
    let clients = Arc::new(Clients::default());
    let mut works = [
        Box::pin(take_connections(server, &clients)) as std::pin::Pin<Box<dyn Future<Output = ()> + '_>>,
        Box::pin(hear_of_stop(server, heard, session)),
        Box::pin(retire(server)),
        Box::pin(server.told.keep_telling()),
    ]
    .map(Some);
    let mut over = pin!(async {
        server.finishing().await;
        clients.are_gone().await;
    });
    poll_fn(|context| {
        for work in &mut works {
            if work.as_mut().is_some_and(|work| work.as_mut().poll(context).is_ready()) {
                *work = None;
            }
        }
        over.as_mut().poll(context)
    })
    .await;
    let _ = server.told.flush().await;
}

/// The connections that are not over.
#[derive(Default)]
struct Clients {
    count: AtomicU32,
    gone: Notify,
}

impl Clients {
    async fn are_gone(&self) {
        loop {
            let gone = self.gone.notified();
            if self.count.load(Ordering::Relaxed) == 0 {
                return;
            }
            gone.await;
        }
    }
}

/// One of them.
struct Client(Arc<Clients>);

impl Client {
    fn of(clients: &Arc<Clients>) -> Self {
        clients.count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(clients))
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.0.count.fetch_sub(1, Ordering::Relaxed);
        self.0.gone.notify_waiters();
    }
}

/// Takes what the owner hands over, until it has gone.
async fn take_connections(server: &Arc<Server>, clients: &Arc<Clients>) {
    loop {
        match server.told.link().next().await {
            Ok((ToServer::Connection { id, .. }, Some(socket))) if has_room(server, clients) => {
                let (server, client) = (Arc::clone(server), Client::of(clients));
                tokio::spawn(async move {
                    client::serve(Arc::clone(&server), id, socket).await;
                    if is_for_one(&server.plan) {
                        server.finish();
                    }
                    drop(client);
                });
            }
            Ok((ToServer::Connection { id, .. }, _)) => {
                if server.told.say(FromServer::Declined { connection: id }).await.is_err() {
                    return server.finish();
                }
            }
            Ok((ToServer::Finish, _)) => server.finish(),
            Err(Gone) => return server.finish(),
        }
    }
}

fn has_room(server: &Server, clients: &Clients) -> bool {
    let most = if is_for_one(&server.plan) { 1 } else { server.plan.connections };
    !server.is_finishing() && clients.count.load(Ordering::Relaxed) < most
}

/// Whether it takes one connection and ends with it.
fn is_for_one(plan: &HttpPlan) -> bool {
    plan.isolation == Some(Isolation::Process)
}

/// A stop is as good as [`ToServer::Finish`], but for the owner, who may not know of it yet.
async fn hear_of_stop(server: &Server, heard: &AsyncFd<OwnedFd>, session: &mut Session) {
    loop {
        match session.hears_of_stop() {
            Ok(true) => {
                server.retire();
                return server.finish();
            }
            Ok(false) => {}
            // The coordinator has gone, and everything ends with it.
            Err(_) => return server.finish(),
        }
        let Ok(mut ready) = heard.readable().await else { return server.finish() };
        ready.clear_ready();
    }
}

async fn retire(server: &Server) {
    server.retiring().await;
    let _ = server.told.say(FromServer::Retires).await;
}
