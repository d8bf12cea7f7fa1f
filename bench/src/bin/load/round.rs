//! One round of a scenario: each client sends a request to the upstream, then one through the gateway, in turns.

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::try_join_all;
use outrigger_bench::samples::Samples;

use crate::client::{Client, Failure};
use crate::scenario::Scenario;

/// The samples of one side.
#[derive(Clone, Debug, Default)]
pub struct Side {
    pub whole: Samples,
    pub first: Samples,
    pub lag: Samples,
}

#[derive(Clone, Debug, Default)]
pub struct Round {
    pub direct: Side,
    pub via: Side,
}

pub async fn round(scenario: &Scenario, direct: SocketAddr, via: SocketAddr) -> Result<Round, Failure> {
    let clients = (0..scenario.clients).map(|number| client(scenario, number, direct, via));
    let mut round = Round::default();
    for more in try_join_all(clients).await? {
        for (side, more) in [(&mut round.direct, more.direct), (&mut round.via, more.via)] {
            side.whole.extend(more.whole);
            side.first.extend(more.first);
            side.lag.extend(more.lag);
        }
    }
    Ok(round)
}

async fn client(scenario: &Scenario, number: u32, direct: SocketAddr, via: SocketAddr) -> Result<Round, Failure> {
    let mut to_direct = Client::connect(direct).await?;
    let mut to_via = Client::connect(via).await?;
    // The gateway opens its own connections here, before anything is measured.
    to_direct.ask(&scenario.direct).await?;
    to_via.ask(&scenario.via).await?;
    let mut round = Round::default();
    // Clients with pauses start at different times.
    tokio::time::sleep(scenario.pause * number / scenario.clients).await;
    for _ in 0..scenario.pairs / scenario.clients {
        let sides =
            [(&mut to_direct, &scenario.direct, &mut round.direct), (&mut to_via, &scenario.via, &mut round.via)];
        for (client, ask, side) in sides {
            let answered = client.ask(ask).await?;
            side.whole.add(answered.whole);
            answered.first.into_iter().for_each(|first| side.first.add(first));
            answered.lags.into_iter().for_each(|lag| side.lag.add(lag));
            if scenario.pause > Duration::ZERO {
                tokio::time::sleep(scenario.pause).await;
            }
        }
    }
    Ok(round)
}
