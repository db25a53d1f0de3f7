//! Kubernetes quantities, read in the simplest way: an oracle, not a product.

/// The quantity in thousandths, rounded up.
#[must_use]
pub fn thousandths(text: &str) -> i64 {
    scaled(text, 1_000)
}

/// The quantity in ones, rounded up.
#[must_use]
pub fn units(text: &str) -> i64 {
    scaled(text, 1)
}

/// So many thousandths as the API server writes them, in powers of two if `like` is written so.
#[must_use]
pub fn text(thousandths: i64, like: &str) -> String {
    let units = thousandths / 1000;
    if !like.ends_with('i') || thousandths % 1000 != 0 {
        return format!("{thousandths}m");
    }
    let suffixes = [
        (60, "Ei"),
        (50, "Pi"),
        (40, "Ti"),
        (30, "Gi"),
        (20, "Mi"),
        (10, "Ki"),
    ];
    let largest = suffixes.iter().find(|(power, _)| units % (1 << power) == 0);
    largest.map_or_else(
        || units.to_string(),
        |(power, suffix)| format!("{}{suffix}", units >> power),
    )
}

fn scaled(text: &str, per_one: i128) -> i64 {
    const SUFFIXES: [(&str, i128, i128); 15] = [
        ("Ki", 1 << 10, 1),
        ("Mi", 1 << 20, 1),
        ("Gi", 1 << 30, 1),
        ("Ti", 1 << 40, 1),
        ("Pi", 1 << 50, 1),
        ("Ei", 1 << 60, 1),
        ("n", 1, 1_000_000_000),
        ("u", 1, 1_000_000),
        ("m", 1, 1_000),
        ("k", 1_000, 1),
        ("M", 1_000_000, 1),
        ("G", 1_000_000_000, 1),
        ("T", 1_000_000_000_000, 1),
        ("P", 1_000_000_000_000_000, 1),
        ("E", 1_000_000_000_000_000_000, 1),
    ];
    let suffix = SUFFIXES.iter().find(|(suffix, _, _)| text.ends_with(suffix));
    let (number, up, down) = suffix.map_or((text, 1, 1), |(suffix, up, down)| {
        (text.strip_suffix(suffix).unwrap(), *up, *down)
    });
    // An exponent in place of a suffix: 100e-3.
    let (number, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent: i32 = exponent.parse().unwrap();
    let (up, down) = match exponent {
        0.. => (up * 10_i128.pow(exponent.unsigned_abs()), down),
        _ => (up, down * 10_i128.pow(exponent.unsigned_abs())),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits: i128 = format!("{whole}{fraction}")
        .parse()
        .unwrap_or_else(|_| panic!("quantity {text}"));
    let divisor = down * 10_i128.pow(fraction.len() as u32);
    let product = digits * up * per_one;
    i64::try_from(product / divisor + i128::from(product % divisor != 0)).unwrap()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_the_api_server_writes_are_read() {
        assert_eq!(thousandths("250m"), 250);
        assert_eq!(thousandths("1"), 1000);
        assert_eq!(thousandths("1500u"), 2);
        assert_eq!(units("2Gi"), 2 << 30);
        assert_eq!(units("1k"), 1000);
        assert_eq!(units("0.5"), 1);
        assert_eq!(text(8, "2Mi"), "8m");
        assert_eq!(text((8 << 20) * 1000, "2Mi"), "8Mi");
        assert_eq!(thousandths("100e-3"), 100);
        assert_eq!(units("1.5E3"), 1500);
    }
}
