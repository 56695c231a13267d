//! One life of one agent: it starts, joins, is listened to, and ends.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tracing::instrument::WithSubscriber as _;
use tracing::{Dispatch, dispatcher};
use uwasa_core::config::Identity;

use super::chance;
use super::ledger::{Ledger, Life};
use super::plan::{self, Plan};
use super::traffic::Traffic;
use crate::agent::{Agent, Settings, Subscription};
use crate::config::address::Endpoint;
use crate::driver;
use crate::filter::Filter;
use crate::life::bind;
use crate::log::Log;
use crate::rpc::server::Server;
use crate::task;

/// Events of one agent that may wait to be written down: a whole large cluster that joins at once.
const EVENTS: usize = 1 << 16;
/// Pause after a join that reached nobody.
const JOIN_PAUSE: Duration = Duration::from_secs(1);
/// Serf's usual port for RPC.
const RPC_PORT: u16 = 7_373;

/// What the tasks of a swarm share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) plan: Plan,
    pub(super) traffic: Traffic,
    ledger: Mutex<Ledger>,
    news: mpsc::Sender<News>,
}

/// What the tasks of agents tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum News {
    /// Somebody asked it to end, or it ended by itself.
    WantsEnd(Life),
    /// It has ended, and its sockets are closed.
    Ended(Life),
}

impl Shared {
    pub(super) fn new(plan: Plan, ledger: Ledger, news: mpsc::Sender<News>) -> Self {
        Self { plan, traffic: Traffic::default(), ledger: Mutex::new(ledger), news }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Members to join by way of: agents of the swarm at random, and those from outside.
    fn contacts(&self, own: usize) -> Vec<String> {
        let mut others: Vec<usize> = self.ledger().up().filter(|&seat| seat != own).collect();
        let chosen = chance::some_of(&mut others, self.plan.contacts);
        let inside = chosen.iter().map(|&seat| self.plan.addr(seat).to_string());
        inside.chain(self.plan.seeds.iter().cloned()).collect()
    }
}

/// An agent that is up.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) agent: Agent,
    life: Life,
    dispatch: Dispatch,
    rpc: Option<Server>,
}

impl Running {
    /// Starts the agent of a seat.
    ///
    /// # Errors
    ///
    /// Its sockets or its RPC cannot be had: a text that names it.
    pub(super) async fn start(shared: &Arc<Shared>, seat: usize) -> Result<Self, String> {
        let name = plan::name(seat);
        let failed = |error: String| format!("{name} cannot start: {error}");
        let addr = shared.plan.addr(seat);
        let (log, dispatch) = Log::quiet(shared.plan.log_level);
        let agent = dispatcher::with_default(&dispatch, || {
            metrics::with_local_recorder(&shared.traffic, || launch(&shared.plan, &name, addr))
        })
        .map_err(failed)?;
        let life = shared.ledger().started(seat, Instant::now());
        dispatcher::with_default(&dispatch, || {
            task::spawn(attend(Arc::clone(shared), agent.clone(), life))
        });
        let mut running = Self { agent, life, dispatch: dispatch.clone(), rpc: None };
        if let Some(addr) = rpc_addr(&shared.plan, seat, addr) {
            let served = Server::start(&addr, "", &running.agent, &log);
            match served.with_subscriber(dispatch).await {
                Ok(server) => running.rpc = Some(server),
                Err(error) => {
                    running.agent.shut_down().await;
                    return Err(failed(error.to_string()));
                }
            }
        }
        Ok(running)
    }

    /// Ends the agent in a task of its own, which tells when that is done.
    pub(super) fn end(self, shared: &Arc<Shared>, leave: bool) {
        let shared = Arc::clone(shared);
        let Self { agent, life, dispatch, rpc } = self;
        drop(rpc);
        dispatcher::with_default(&dispatch, || {
            task::spawn(async move {
                if leave {
                    // It goes down all the same if nobody heard the goodbye in time, and says so in its log.
                    let _ = agent.leave().await;
                }
                agent.shut_down().await;
                let _ = shared.news.send(News::Ended(life)).await;
            })
        });
    }
}

fn rpc_addr(plan: &Plan, seat: usize, addr: SocketAddr) -> Option<String> {
    let first = plan.rpc.first.clone().filter(|_| seat == 0);
    first.or_else(|| plan.rpc.all.then(|| SocketAddr::new(addr.ip(), RPC_PORT).to_string()))
}

fn launch(plan: &Plan, name: &str, addr: SocketAddr) -> Result<Agent, String> {
    let bound = bind::bind(Endpoint { ip: Some(addr.ip()), port: addr.port() })?;
    let identity = Identity::new(name, addr).map_err(|error| error.to_string())?;
    let start = driver::Start {
        config: Arc::clone(&plan.config),
        identity,
        udp: bound.udp,
        tcp: bound.tcp,
        snapshot: None,
        keyring_file: None,
    };
    Agent::start(start, Settings::default()).map_err(|error| error.to_string())
}

/// Joins, and listens until the agent ends.
async fn attend(shared: Arc<Shared>, agent: Agent, life: Life) {
    let all = Filter::parse_list("*").unwrap_or_default();
    let mut events = agent.subscribe(EVENTS, all, "swarm".to_owned()).await;
    let members = agent.members().await;
    shared.ledger().knows(life, &members);
    let mut joining = pin!(join(&shared, &agent, life.seat));
    let mut joined = false;
    let mut ending = pin!(async {
        tokio::select! {
            () = agent.shutdown_requested() => {}
            () = agent.gossip_stopped() => {}
        }
    });
    let mut wants_end = false;
    loop {
        tokio::select! {
            heard = listen(&shared, &mut events, life) => if !heard { return },
            () = &mut joining, if !joined => joined = true,
            () = &mut ending, if !wants_end => {
                wants_end = true;
                let _ = shared.news.send(News::WantsEnd(life)).await;
            }
        }
    }
}

/// Writes down the next event; false at the end. Safe to cancel.
async fn listen(shared: &Shared, events: &mut Subscription, life: Life) -> bool {
    let Some(event) = events.next().await else { return false };
    shared.ledger().heard(life, &event, Instant::now());
    true
}

async fn join(shared: &Shared, agent: &Agent, seat: usize) {
    tokio::time::sleep(shared.plan.join_after).await;
    loop {
        let contacts = shared.contacts(seat);
        // The first agent of all has nobody to join; the others will join it.
        if contacts.is_empty() || agent.join(&contacts, false).await.contacted > 0 {
            return;
        }
        tokio::time::sleep(JOIN_PAUSE).await;
    }
}
