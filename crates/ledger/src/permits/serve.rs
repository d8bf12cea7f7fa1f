//! Chooses the pods that get permits, and the pods from which permits are recalled.
//!
//! Free permits go to pods that need them, in turn, and then to pods that want more. If none is free, as many are recalled
//! as are needed:
//!
//! 1. those that no request has;
//! 2. from pods that have more than the waiting pod: at least two more, or any at all if that pod has none. Each is
//!    returned when a request ends. So a limit of one rotates among the pods that need it.

use std::cmp::Reverse;

use super::leader::{PermitLeader, PermitLimit, PermitPart};

/// How many permits are recalled at a time; the next report recalls more.
const AT_ONCE: u64 = 256;

impl PermitLeader {
    pub(super) fn serve(&mut self, name: &str, ready: bool) {
        let Some(limit) = self.limits.get_mut(name) else { return };
        let before: Vec<(String, GrantedPart)> =
            limit.parts.iter().map(|(pod, part)| (pod.clone(), grant_of(part))).collect();
        if ready {
            limit.grant();
            limit.recall();
        }
        let some_wait = limit.parts.values().any(|part| part.need > 0);
        let idle_comes = limit.parts.values().any(|part| part.recalled() > 0 && part.held() > part.used);
        for part in limit.parts.values_mut() {
            part.coming = part.need > 0 && (!ready || idle_comes);
            part.wanted = some_wait && part.need == 0 && part.held() > part.recalled();
        }
        for (pod, before) in before {
            if limit.parts.get(&pod).is_some_and(|part| grant_of(part) != before) {
                self.unsent.entry(pod).or_default().insert(name.to_owned());
            }
        }
    }
}

type GrantedPart = (u64, u64, bool, bool);

/// The part of a pod's state whose changes are sent immediately.
fn grant_of(part: &PermitPart) -> GrantedPart {
    (part.granted, part.recall, part.coming, part.wanted)
}

impl PermitLimit {
    fn held(&self) -> u64 {
        self.parts.values().map(PermitPart::held).fold(0, u64::saturating_add)
    }

    fn grant(&mut self) {
        let mut free = self.max.saturating_sub(self.held());
        free = self.share(free, |part| &mut part.need);
        self.share(free, |part| &mut part.want);
    }

    /// Distributes free permits among the pods that ask, in the order of waiting, and returns the rest.
    fn share(&mut self, mut free: u64, requested: fn(&mut PermitPart) -> &mut u64) -> u64 {
        while free > 0 {
            let mut asking: Vec<(u64, &mut PermitPart)> = self
                .parts
                .values_mut()
                .filter_map(|part| (*requested(part) > 0).then_some((part.turn, part)))
                .collect();
            if asking.is_empty() {
                break;
            }
            asking.sort_by_key(|(turn, _)| *turn);
            let each = (free / asking.len() as u64).max(1);
            for (_, part) in asking {
                let amount = (*requested(part)).min(each).min(free);
                free -= amount;
                *requested(part) -= amount;
                part.granted = part.granted.saturating_add(amount);
                if amount > 0 {
                    self.turn += 1;
                    part.turn = self.turn;
                }
            }
        }
        free
    }

    fn recall(&mut self) {
        let coming = self.parts.values().map(PermitPart::recalled).fold(0, u64::saturating_add);
        // Recalls the excess permits of a lowered limit.
        let excess = self.held().saturating_sub(self.max);
        let needed = self.parts.values().map(|part| part.need).fold(0, u64::saturating_add);
        let wanted = needed.saturating_add(excess).saturating_sub(coming);
        let mut missing = wanted;
        for part in self.parts.values_mut().filter(|part| part.need == 0) {
            let amount = part.idle().min(missing);
            part.call_back(amount);
            missing -= amount;
        }
        let left = |part: &PermitPart| part.held().saturating_sub(part.recalled());
        // The excess is recalled from the pods that have most.
        let excess = excess.saturating_sub(coming).saturating_sub(wanted - missing);
        for _ in 0..excess.min(AT_ONCE) {
            let most = self.parts.values_mut().max_by_key(|part| left(part)).filter(|part| left(part) > 0);
            let Some(part) = most else { return };
            part.call_back(1);
            missing = missing.saturating_sub(1);
        }
        let mut waiting: Vec<(u64, u64, u64)> =
            self.parts.values().filter(|part| part.need > 0).map(|part| (part.held(), part.turn, part.need)).collect();
        // Permits that are already being returned go to the pods that have fewest.
        for _ in 0..needed.saturating_sub(missing).min(AT_ONCE) {
            next_served(&mut waiting);
        }
        for _ in 0..missing.min(AT_ONCE) {
            let Some(has) = next_served(&mut waiting) else { return };
            let least = if has == 0 { 1 } else { has.saturating_add(2) };
            let rich = self.parts.values_mut().filter(|part| left(part) >= least);
            // Among equals: the pod that got its last permit longest ago.
            let Some(part) = rich.max_by_key(|part| (left(part), Reverse(part.turn))) else { return };
            part.call_back(1);
        }
    }
}

/// Of the waiting pods, given by their permits, turn and need: the one that gets the next permit, as if it had it then;
/// and how many it had.
fn next_served(waiting: &mut [(u64, u64, u64)]) -> Option<u64> {
    let (has, _, need) =
        waiting.iter_mut().filter(|(_, _, need)| *need > 0).min_by_key(|(has, turn, _)| (*has, *turn))?;
    (*has, *need) = (*has + 1, *need - 1);
    Some(*has - 1)
}

impl PermitPart {
    fn call_back(&mut self, amount: u64) {
        if amount > 0 {
            self.recall = self.recall.max(self.returned).saturating_add(amount);
        }
    }
}
