//! The sums of one container within one window.

use fleetledger_schema::{instant::Instant, record::ContainerUsage};

/// The sums of one container within one window, in units fine enough that parts lose nothing.
#[derive(Debug)]
pub(crate) struct WindowSums {
    namespace: String,
    pod: String,
    covered_us: i64,
    cpu_core_us: i64,
    /// Byte-microseconds.
    memory_byte_us: i128,
    /// Thousandths of core-microseconds.
    cpu_charged_milli_us: i128,
    /// Byte-microseconds.
    memory_charged_byte_us: i128,
    cpu_max_millicores: i64,
    memory_max_bytes: i64,
    requests: (Option<i64>, Option<i64>),
    /// Up to when cards were seen: several of them share the time.
    gpu_until: Option<Instant>,
    gpu_covered_us: i64,
    /// Millionths of card-microseconds.
    gpu_micro_us: Option<i128>,
}

impl WindowSums {
    pub(crate) fn new(namespace: &str, pod: &str) -> Self {
        Self {
            namespace: namespace.to_owned(),
            pod: pod.to_owned(),
            covered_us: 0,
            cpu_core_us: 0,
            memory_byte_us: 0,
            cpu_charged_milli_us: 0,
            memory_charged_byte_us: 0,
            cpu_max_millicores: 0,
            memory_max_bytes: 0,
            requests: (None, None),
            gpu_until: None,
            gpu_covered_us: 0,
            gpu_micro_us: None,
        }
    }

    /// Adds a part: within it usage is even, so the larger of request and usage is charged for all of it.
    pub(crate) fn add(
        &mut self,
        length_us: i64,
        cpu_us: i64,
        memory_bytes: i64,
        requests: (Option<i64>, Option<i64>),
    ) {
        let length = i128::from(length_us);
        let (cpu_request, memory_request) = (requests.0.unwrap_or(0), requests.1.unwrap_or(0));
        self.covered_us += length_us;
        self.cpu_core_us = self.cpu_core_us.saturating_add(cpu_us);
        self.memory_byte_us += i128::from(memory_bytes) * length;
        self.cpu_charged_milli_us += (i128::from(cpu_us) * 1000).max(i128::from(cpu_request) * length);
        self.memory_charged_byte_us += i128::from(memory_bytes.max(memory_request)) * length;
        self.requests = requests;
    }

    /// Notes how high usage was.
    pub(crate) fn see(&mut self, cpu_us: i64, length_us: i64, memory_bytes: i64) {
        let millicores = i128::from(cpu_us) * 1000 / i128::from(length_us.max(1));
        self.cpu_max_millicores = self.cpu_max_millicores.max(narrow(millicores));
        self.memory_max_bytes = self.memory_max_bytes.max(memory_bytes);
    }

    /// Adds a part of one card.
    pub(crate) fn add_gpu(&mut self, from: Instant, to: Instant, micro_cards: i64) {
        let known = self.gpu_until.map_or(from, |until| until.max(from));
        self.gpu_covered_us += to.micros_since(known).max(0);
        self.gpu_until = Some(self.gpu_until.map_or(to, |until| until.max(to)));
        let used = i128::from(micro_cards) * i128::from(to.micros_since(from));
        self.gpu_micro_us = Some(self.gpu_micro_us.unwrap_or(0) + used);
    }

    /// The sums in the record's units.
    pub(crate) fn finish(self, uid: String, container: String) -> ContainerUsage {
        ContainerUsage {
            uid,
            namespace: self.namespace,
            pod: self.pod,
            container,
            covered_ms: self.covered_us / 1000,
            cpu_core_us: self.cpu_core_us,
            memory_byte_seconds: narrow(self.memory_byte_us / 1_000_000),
            cpu_charged_core_us: narrow(self.cpu_charged_milli_us / 1000),
            memory_charged_byte_seconds: narrow(self.memory_charged_byte_us / 1_000_000),
            cpu_max_millicores: self.cpu_max_millicores,
            memory_max_bytes: self.memory_max_bytes,
            request_cpu_millicores: self.requests.0,
            request_memory_bytes: self.requests.1,
            gpu_covered_ms: self.gpu_covered_us / 1000,
            gpu_used_card_us: self.gpu_micro_us.map(|used| narrow(used / 1_000_000)),
        }
    }
}

fn narrow(amount: i128) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
