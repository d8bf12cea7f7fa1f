//! Who gets a permit, and from whom one is recalled.
//!
//! Free permits go to who needs them, in turn, and then to who wants some beside. If nothing is free, as many are recalled
//! as are needed:
//!
//! 1. those that no request has;
//! 2. from pods that have more than the one that waits: at least two more, or any at all if that one has none. Each is
//!    returned when a request ends. So a limit of one goes round among the pods that need it.

use std::cmp::Reverse;

use super::leader::{PermitLeader, PermitLimit, PermitPart};

/// So many permits are recalled at a time; the next report goes on.
const AT_ONCE: u64 = 256;

impl PermitLeader {
    pub(super) fn serve(&mut self, name: &str, ready: bool) {
        let Some(limit) = self.limits.get_mut(name) else { return };
        let before: Vec<(String, PermitNews)> =
            limit.parts.iter().map(|(pod, part)| (pod.clone(), said(part))).collect();
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
            if limit.parts.get(&pod).is_some_and(|part| said(part) != before) {
                self.tell.entry(pod).or_default().insert(name.to_owned());
            }
        }
    }
}

type PermitNews = (u64, u64, bool, bool);

/// What a gateway is told at once if it changes.
fn said(part: &PermitPart) -> PermitNews {
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

    /// Shares what is free among those who ask, those first that wait longest; and says what is left.
    fn share(&mut self, mut free: u64, asks: fn(&mut PermitPart) -> &mut u64) -> u64 {
        while free > 0 {
            let mut asking: Vec<(u64, &mut PermitPart)> =
                self.parts.values_mut().filter_map(|part| (*asks(part) > 0).then_some((part.turn, part))).collect();
            if asking.is_empty() {
                break;
            }
            asking.sort_by_key(|(turn, _)| *turn);
            let each = (free / asking.len() as u64).max(1);
            for (_, part) in asking {
                let amount = (*asks(part)).min(each).min(free);
                free -= amount;
                *asks(part) -= amount;
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
        // A limit that was lowered recalls what is too much.
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
        // What is too much is recalled from whoever has most.
        let excess = excess.saturating_sub(coming).saturating_sub(wanted - missing);
        for _ in 0..excess.min(AT_ONCE) {
            let most = self.parts.values_mut().max_by_key(|part| left(part)).filter(|part| left(part) > 0);
            let Some(part) = most else { return };
            part.call_back(1);
            missing = missing.saturating_sub(1);
        }
        let mut waiting: Vec<(u64, u64, u64)> =
            self.parts.values().filter(|part| part.need > 0).map(|part| (part.held(), part.turn, part.need)).collect();
        // What comes back already goes to those that have least.
        for _ in 0..needed.saturating_sub(missing).min(AT_ONCE) {
            next_served(&mut waiting);
        }
        for _ in 0..missing.min(AT_ONCE) {
            let Some(has) = next_served(&mut waiting) else { return };
            let least = if has == 0 { 1 } else { has.saturating_add(2) };
            let rich = self.parts.values_mut().filter(|part| left(part) >= least);
            // Of equals, who has had its last one longest.
            let Some(part) = rich.max_by_key(|part| (left(part), Reverse(part.turn))) else { return };
            part.call_back(1);
        }
    }
}

/// Of those that wait, by what they have, their turn and what they need: the one that gets the next permit, as if it had it
/// then; and how many it had.
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
