//! The ingesters of one group, killed and started again.

use std::time::Duration;

use fleetledger_ingest::fail_point::FailPoint;
use fleetledger_local::kafka::LocalKafka;
use fleetledger_tests::{
    deadline::{ensure, eventually},
    program::{LedgerProcess, ingest_configuration},
};

use crate::replicated_database::ReplicatedDatabase;

/// A member that is armed has this long to reach its fail point, then it is killed as the others are.
const REACHES_WITHIN: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(120);

struct IngesterMember {
    program: LedgerProcess,
    armed: Option<FailPoint>,
}

/// All of them.
pub(crate) struct IngesterGroup {
    toml: String,
    members: Vec<IngesterMember>,
    hits: [u64; FailPoint::ALL.len()],
    /// Next fail point.
    turn: usize,
    /// Ended with SIGKILL.
    pub(crate) killed: u64,
    /// Ended by themselves, and not at a fail point.
    pub(crate) ended: u64,
    /// Ever started.
    pub(crate) started: u64,
}

impl IngesterGroup {
    pub(crate) fn start(count: usize, kafka: &LocalKafka, postgres: &ReplicatedDatabase) -> Self {
        // A dead member is noticed within 2 s.
        let properties =
            "[kafka.properties]\n\"session.timeout.ms\" = \"2000\"\n\"heartbeat.interval.ms\" = \"400\"\n";
        let ingest = ingest_configuration(
            &kafka.bootstrap_servers(),
            "soak",
            &postgres.ingester_url(),
            "linger_ms = 50",
        );
        let mut members = Self {
            toml: format!("{ingest}{properties}"),
            members: Vec::new(),
            hits: Default::default(),
            turn: 0,
            killed: 0,
            ended: 0,
            started: 0,
        };
        for _ in 0..count {
            let member = members.begin(None);
            members.members.push(member);
        }
        members
    }

    pub(crate) fn len(&self) -> usize {
        self.members.len()
    }

    pub(crate) fn hits(&self, point: FailPoint) -> u64 {
        let index = FailPoint::ALL.iter().position(|other| *other == point);
        index.map_or(0, |index| self.hits[index])
    }

    pub(crate) fn log_text(&self) -> String {
        let logs = self.members.iter().map(|member| member.program.log_text());
        logs.collect::<Vec<_>>().join("\n----\n")
    }

    /// Every second member is armed with the next fail point, passed for the `nth` time.
    fn begin(&mut self, nth: Option<u32>) -> IngesterMember {
        self.started += 1;
        let armed = nth.filter(|_| self.started.is_multiple_of(2)).map(|nth| {
            self.turn += 1;
            (FailPoint::ALL[self.turn % FailPoint::ALL.len()], nth)
        });
        self.begin_armed(armed)
    }

    fn begin_armed(&self, armed: Option<(FailPoint, u32)>) -> IngesterMember {
        let variable = armed.map(|(point, nth)| format!("{}:{nth}", point.as_str()));
        let environment: Vec<(&str, &str)> = variable
            .iter()
            .map(|value| ("FLEETLEDGER_FAIL_POINT", value.as_str()))
            .collect();
        IngesterMember {
            program: LedgerProcess::start(&["ingest"], &self.toml, &environment),
            armed: armed.map(|(point, _)| point),
        }
    }

    /// Kills a member once it holds partitions, and starts another in its place. An armed one may end by itself first.
    pub(crate) async fn kill(&mut self, number: usize, nth: u32) {
        let member = &mut self.members[number];
        let armed = member.armed.is_some();
        let limit = if armed { REACHES_WITHIN } else { LIMIT };
        let began = std::time::Instant::now();
        let ended = eventually("a member holds partitions", LIMIT, || {
            let ended = member.program.has_ended();
            let holds = member.program.log_text().contains("partitions claimed");
            let patient = armed && began.elapsed() < limit;
            let ready = ended || (holds && !patient);
            let log = member.program.log_text();
            async move { ensure(ready, || log).map(|()| ended) }
        })
        .await;
        if ended {
            self.note_end(number);
        } else {
            self.members[number].program.kill().await;
            self.killed += 1;
        }
        let member = self.begin(Some(nth));
        self.members[number] = member;
    }

    /// Starts others in the place of members that have ended.
    pub(crate) fn replace_ended(&mut self, nth: u32) {
        for number in 0..self.members.len() {
            if self.members[number].program.has_ended() {
                self.note_end(number);
                let member = self.begin(Some(nth));
                self.members[number] = member;
            }
        }
    }

    fn note_end(&mut self, number: usize) {
        let member = &self.members[number];
        let log = member.program.log_text();
        let hit = member
            .armed
            .filter(|point| log.contains(&format!("fail point {}", point.as_str())));
        let index = hit.and_then(|point| FailPoint::ALL.iter().position(|other| *other == point));
        match index {
            Some(index) => self.hits[index] += 1,
            None => {
                self.ended += 1;
                let last: Vec<&str> = log.lines().rev().take(5).collect();
                fleetledger_tests::report::print_line(&format!("a member ended by itself: {last:#?}"));
            }
        }
    }

    /// The last member dies at every fail point that nobody has reached yet.
    pub(crate) async fn hit_what_was_not_hit(&mut self) {
        let last = self.members.len() - 1;
        for point in FailPoint::ALL {
            while self.hits(point) == 0 {
                self.started += 1;
                let member = self.begin_armed(Some((point, 1)));
                self.members[last] = member;
                eventually("the fail point is reached", LIMIT, || {
                    let ended = self.members[last].program.has_ended();
                    let log = self.members[last].program.log_text();
                    async move { ensure(ended, || log) }
                })
                .await;
                self.note_end(last);
            }
        }
        self.started += 1;
        let sound = self.begin_armed(None);
        self.members[last] = sound;
        // One that was armed and did not get there yet must not get there now.
        for number in 0..last {
            if self.members[number].armed.is_some() {
                let sound = self.begin_armed(None);
                self.members[number] = sound;
            }
        }
    }

    pub(crate) async fn stop(&mut self) {
        for member in &mut self.members {
            member.program.stop().await;
        }
    }
}
