//! Leading-edge coalescing: the first change of an object goes at once, its further changes within the window
//! are merged, and the newest state goes at the window's end.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use tokio::time::Instant as Tick;

/// Open windows, by object.
#[derive(Debug)]
pub(crate) struct Coalescer {
    window: Duration,
    open: HashMap<Arc<str>, CoalesceWindow>,
    ends: VecDeque<(Tick, Arc<str>, u64)>,
    serial: u64,
}

#[derive(Debug)]
struct CoalesceWindow {
    serial: u64,
    pending: bool,
}

impl Coalescer {
    pub(crate) fn new(window: Duration) -> Self {
        Self {
            window,
            open: HashMap::new(),
            ends: VecDeque::new(),
            serial: 0,
        }
    }

    /// An object changed. True if the change goes now; false if it waits for the end of its window.
    pub(crate) fn change(&mut self, uid: &Arc<str>, now: Tick) -> bool {
        if let Some(window) = self.open.get_mut(uid) {
            window.pending = true;
            return false;
        }
        self.open(uid, now, false);
        true
    }

    /// An object changed and had better wait: it goes at the end of a window, or when released.
    pub(crate) fn hold(&mut self, uid: &Arc<str>, now: Tick) {
        if self.change(uid, now)
            && let Some(window) = self.open.get_mut(uid)
        {
            window.pending = true;
        }
    }

    /// What a held object waited for is there. True if it goes now.
    pub(crate) fn release(&mut self, uid: &str) -> bool {
        self.open
            .get_mut(uid)
            .is_some_and(|window| std::mem::take(&mut window.pending))
    }

    /// An object goes for good, now.
    pub(crate) fn forget(&mut self, uid: &str) {
        self.open.remove(uid);
    }

    /// Objects whose window ended with a change in it. Each begins a new window.
    pub(crate) fn due(&mut self, now: Tick) -> Vec<Arc<str>> {
        let mut due = Vec::new();
        while self.ends.front().is_some_and(|(end, ..)| *end <= now) {
            let Some((_, uid, serial)) = self.ends.pop_front() else {
                break;
            };
            if self.open.get(&uid).is_some_and(|window| window.serial == serial)
                && self.open.remove(&uid).is_some_and(|window| window.pending)
            {
                self.open(&uid, now, false);
                due.push(uid);
            }
        }
        due
    }

    /// Every object that waits, for the end of the emitter.
    pub(crate) fn flush(&mut self) -> Vec<Arc<str>> {
        self.ends.clear();
        let open = std::mem::take(&mut self.open);
        open.into_iter()
            .filter(|(_, window)| window.pending)
            .map(|(uid, _)| uid)
            .collect()
    }

    fn open(&mut self, uid: &Arc<str>, now: Tick, pending: bool) {
        self.serial += 1;
        let serial = self.serial;
        self.open.insert(uid.clone(), CoalesceWindow { serial, pending });
        self.ends.push_back((now + self.window, uid.clone(), serial));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_change_goes_at_once_and_later_ones_merge_into_one() {
        let mut coalescer = Coalescer::new(Duration::from_secs(1));
        let uid: Arc<str> = "a".into();
        let start = Tick::now();
        let at = |after_ms| start + Duration::from_millis(after_ms);
        assert!(coalescer.change(&uid, at(0)));
        assert!(!coalescer.change(&uid, at(300)));
        assert!(!coalescer.change(&uid, at(600)));
        assert!(coalescer.due(at(999)).is_empty());
        assert_eq!(coalescer.due(at(1000)), vec![uid.clone()]);
        // That was a sending: the next window is open.
        assert!(!coalescer.change(&uid, at(1500)));
        assert_eq!(coalescer.due(at(2000)), vec![uid.clone()]);
        assert!(coalescer.due(at(3000)).is_empty());
        assert!(coalescer.change(&uid, at(3001)));
    }

    #[test]
    fn a_held_object_goes_when_released_or_at_the_end_of_its_window() {
        let mut coalescer = Coalescer::new(Duration::from_secs(1));
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let start = Tick::now();
        coalescer.hold(&a, start);
        coalescer.hold(&b, start);
        assert!(coalescer.release("a"));
        assert!(!coalescer.release("a"));
        assert_eq!(coalescer.due(start + Duration::from_secs(1)), vec![b]);
    }
}
