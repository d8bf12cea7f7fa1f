//! A leader, and gateways whose messages may be lost, repeated or late.

use std::collections::BTreeMap;

use outrigger_ledger::permits::{
    PermitFindingKind, PermitGrants, PermitHolder, PermitLeader, PermitNo, PermitOutput, PermitReport, PermitShort,
};
use outrigger_ledger::shared::holder::Due;

pub const LIMIT: &str = "VirtualKey test/a";

pub struct Fleet {
    pub now: i64,
    pub max: u64,
    pub leader: PermitLeader,
    pub begun: i64,
    pub pods: BTreeMap<String, Pod>,
    pub findings: Vec<PermitFindingKind>,
    /// Whether messages are delivered immediately.
    pub reliable: bool,
    processes: u64,
}

pub struct Pod {
    pub holder: PermitHolder,
    pub limit: PermitNo,
    /// Whether the operator can be reached.
    pub connected: bool,
    pub up: Vec<PermitReport>,
    pub down: Vec<PermitGrants>,
    /// Requests that run, and that wait.
    pub runs: u64,
    pub waits: u64,
    pub served: u64,
}

impl Fleet {
    pub fn new(max: u64, pods: &[&str]) -> Fleet {
        let mut fleet = Fleet {
            now: 1_000,
            max,
            leader: PermitLeader::new(1_000),
            begun: 1_000,
            pods: BTreeMap::new(),
            findings: Vec::new(),
            reliable: true,
            processes: 0,
        };
        let out = fleet.leader.adopt([(LIMIT.to_owned(), max)]);
        fleet.take(out);
        pods.iter().for_each(|pod| fleet.start(pod));
        fleet.talk();
        fleet
    }

    pub fn start(&mut self, pod: &str) {
        self.processes += 1;
        let mut holder = PermitHolder::new(self.processes);
        let limit = holder.adopt([(LIMIT, self.max)])[0];
        holder.connected();
        let pod_state =
            Pod { holder, limit, connected: true, up: Vec::new(), down: Vec::new(), runs: 0, waits: 0, served: 0 };
        self.pods.insert(pod.to_owned(), pod_state);
    }

    /// Changes the limit, for the leader and all gateways.
    pub fn resize(&mut self, max: u64) {
        self.max = max;
        for pod in self.pods.values_mut() {
            pod.holder.adopt([(LIMIT, max)]);
        }
        let out = self.leader.adopt([(LIMIT.to_owned(), max)]);
        self.take(out);
        self.talk();
    }

    pub fn take(&mut self, outputs: Vec<PermitOutput>) {
        for output in outputs {
            match output {
                PermitOutput::Finding(finding) => self.findings.push(finding.kind),
                PermitOutput::Grants { pod, grants } => {
                    if let Some(pod) = self.pods.get_mut(&pod).filter(|pod| pod.connected) {
                        pod.down.push(grants);
                    }
                }
            }
        }
    }

    pub fn cut(&mut self, pod: &str) {
        let pod = self.pods.get_mut(pod).unwrap();
        pod.connected = false;
        pod.holder.disconnected();
        pod.up.clear();
        pod.down.clear();
    }

    pub fn reconnect(&mut self, pod: &str) {
        self.cut(pod);
        let pod = self.pods.get_mut(pod).unwrap();
        pod.connected = true;
        pod.holder.connected();
        self.talk();
    }

    /// The pod is deleted, and the operator knows it.
    pub fn gone(&mut self, pod: &str) {
        self.pods.remove(pod);
        let out = self.leader.gone(pod);
        self.take(out);
        self.talk();
    }

    /// Another replica leads, without knowledge of any pod.
    pub fn fail_over(&mut self) {
        (self.leader, self.begun) = (PermitLeader::new(self.now), self.now);
        let out = self.leader.adopt([(LIMIT.to_owned(), self.max)]);
        self.take(out);
        for name in self.pods.keys().cloned().collect::<Vec<_>>() {
            if self.pods[&name].connected {
                self.reconnect(&name);
            }
        }
    }

    pub fn deliver_up(&mut self, pod: &str, at: usize) {
        let report = self.pods.get_mut(pod).unwrap().up.remove(at);
        let out = self.leader.report(pod, |name| name == LIMIT, report, self.now);
        self.take(out);
    }

    pub fn deliver_down(&mut self, pod: &str, at: usize) {
        let now = self.now;
        let pod = self.pods.get_mut(pod).unwrap();
        let grants = pod.down.remove(at);
        pod.holder.granted(&grants, now);
        pod.wake(now);
    }

    fn send(&mut self, name: &str) -> bool {
        let now = self.now;
        let pod = self.pods.get_mut(name).unwrap();
        if !pod.connected || pod.holder.due(now) < Due::Soon {
            return false;
        }
        let report = pod.holder.report(now).unwrap();
        pod.up.push(report);
        true
    }

    /// All gateways send the reports that are due, and all messages arrive.
    pub fn talk(&mut self) {
        for _ in 0..100 {
            let mut progress = false;
            for name in self.pods.keys().cloned().collect::<Vec<_>>() {
                let now = self.now;
                let due = self.pods.get_mut(&name).unwrap().holder.due(now) == Due::Now;
                progress |= due && self.send(&name);
                while self.reliable && !self.pods[&name].up.is_empty() {
                    self.deliver_up(&name, 0);
                    progress = true;
                }
            }
            self.tick();
            for name in self.pods.keys().cloned().collect::<Vec<_>>() {
                while self.reliable && !self.pods[&name].down.is_empty() {
                    self.deliver_down(&name, 0);
                    progress = true;
                }
            }
            if !progress || !self.reliable {
                return;
            }
        }
        panic!("the exchange does not end");
    }

    fn tick(&mut self) {
        let names: Vec<String> = self.pods.keys().cloned().collect();
        let out = self.leader.tick(self.now, names.iter().map(String::as_str));
        self.take(out);
    }

    pub fn pass(&mut self, ms: i64) {
        let until = self.now + ms;
        while self.now < until {
            self.now = (self.now + 250).min(until);
            self.tick();
            self.talk();
        }
    }

    /// All gateways report, as they do every few seconds.
    pub fn report_all(&mut self) {
        for name in self.pods.keys().cloned().collect::<Vec<_>>() {
            self.send(&name);
        }
        self.talk();
    }

    /// A request arrives: it runs, waits, or is refused.
    pub fn ask(&mut self, pod: &str) -> Result<(), PermitShort> {
        let now = self.now;
        let state = self.pods.get_mut(pod).unwrap();
        let taken = state.holder.take(state.limit, now);
        match taken {
            Ok(()) => (state.runs, state.served) = (state.runs + 1, state.served + 1),
            Err(PermitShort::Coming) => {
                state.holder.wait(state.limit);
                state.waits += 1;
            }
            Err(PermitShort::Reached | PermitShort::Unanswered) => state.holder.refused(state.limit, now),
        }
        self.talk();
        taken
    }

    /// Waiting requests give up.
    pub fn give_up(&mut self, pod: &str) {
        let now = self.now;
        let pod = self.pods.get_mut(pod).unwrap();
        for _ in 0..std::mem::take(&mut pod.waits) {
            pod.holder.waited(pod.limit);
            pod.holder.refused(pod.limit, now);
        }
    }

    pub fn end(&mut self, pod: &str) {
        let now = self.now;
        let state = self.pods.get_mut(pod).unwrap();
        if state.runs > 0 {
            state.runs -= 1;
            state.holder.release(state.limit, now);
            state.wake(now);
        }
        self.talk();
    }

    pub fn running(&self) -> u64 {
        self.pods.values().map(|pod| pod.runs).sum()
    }

    pub fn held(&self, pod: &str) -> u64 {
        let pod = &self.pods[pod];
        pod.holder.view(pod.limit).held
    }
}

impl Pod {
    /// Waiting requests look again.
    fn wake(&mut self, now: i64) {
        while self.waits > 0 {
            match self.holder.take(self.limit, now) {
                Ok(()) => {
                    self.holder.waited(self.limit);
                    (self.waits, self.runs, self.served) = (self.waits - 1, self.runs + 1, self.served + 1);
                }
                Err(PermitShort::Coming) => return,
                Err(PermitShort::Reached | PermitShort::Unanswered) => {
                    self.holder.waited(self.limit);
                    self.holder.refused(self.limit, now);
                    self.waits -= 1;
                }
            }
        }
    }
}
