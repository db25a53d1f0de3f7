//! Named points at which a test ends the process, as `kill -9` would; each room names its own.

/// Makes the enum `FailPoint` of the room that calls it, and with that room's feature `fail-points` what ends the process
/// there. Without the feature every call is empty.
#[macro_export]
macro_rules! fail_points {
    ($(#[$about:meta])* pub enum FailPoint { $($(#[$doc:meta])* $point:ident = $name:literal,)* }) => {
        $(#[$about])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum FailPoint {
            $($(#[$doc])* $point,)*
        }

        impl FailPoint {
            /// All of them, in the order in which they are passed.
            pub const ALL: [FailPoint; [$($name,)*].len()] = [$(FailPoint::$point,)*];

            /// Its name.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(FailPoint::$point => $name,)*
                }
            }

            /// The point of that name.
            #[must_use]
            pub fn parse(name: &str) -> Option<Self> {
                Self::ALL.into_iter().find(|point| point.as_str() == name)
            }
        }

        #[cfg(feature = "fail-points")]
        mod armed {
            use std::sync::Mutex;

            use super::FailPoint;

            static ARMED: Mutex<Option<(FailPoint, u64)>> = Mutex::new(None);

            /// Ends the process the `nth` time (from 1) that it passes `point`.
            pub fn arm(point: FailPoint, nth: u64) {
                if let Ok(mut armed) = ARMED.lock() {
                    *armed = Some((point, nth.max(1)));
                }
            }

            pub(crate) fn hit(point: FailPoint) {
                let Ok(mut armed) = ARMED.lock() else { return };
                if let Some((at, left)) = armed.as_mut()
                    && *at == point
                {
                    *left -= 1;
                    if *left == 0 {
                        eprintln!("fail point {}", point.as_str());
                        std::process::abort();
                    }
                }
            }
        }

        #[cfg(feature = "fail-points")]
        pub use armed::arm;
        #[cfg(feature = "fail-points")]
        pub(crate) use armed::hit;

        #[cfg(not(feature = "fail-points"))]
        pub(crate) fn hit(_: FailPoint) {}
    };
}
