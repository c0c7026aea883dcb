//! Numbers and lists of them as MLIR writes them.

/// Writes a number.
pub fn push_number(out: &mut String, n: usize) {
    let (rest, last) = (n / 10_000, n % 10_000);
    if rest > 0 {
        push_number(out, rest);
    }
    // Digit by digit, most numbers being short: a copy of several is a call.
    let mut digit = |unit: usize| {
        if rest > 0 || last >= unit || unit == 1 {
            out.push(char::from(b'0' + (last / unit % 10) as u8));
        }
    };
    digit(1000);
    digit(100);
    digit(10);
    digit(1);
}

/// Writes a number that may be negative.
pub fn push_integer(out: &mut String, n: i64) {
    if n < 0 {
        out.push('-');
    }
    push_number(out, n.unsigned_abs() as usize);
}

/// Writes `[1, 2]`.
pub fn push_list(out: &mut String, values: &[usize]) {
    out.push('[');
    for (i, n) in values.iter().enumerate() {
        if i > 0 {
            out.push_str(", ");
        }
        push_number(out, *n);
    }
    out.push(']');
}

/// `array<i64: 1, 2>`: how StableHLO writes lists of axes and sizes.
pub fn i64_array(values: impl IntoIterator<Item = impl Into<i64>>) -> String {
    let mut text = String::with_capacity(64);
    text.push_str("array<i64");
    for (i, v) in values.into_iter().enumerate() {
        text.push_str(if i == 0 { ": " } else { ", " });
        push_integer(&mut text, v.into());
    }
    text.push('>');
    text
}

/// [`i64_array`] of sizes or axes.
pub fn usize_array(values: &[usize]) -> String {
    i64_array(values.iter().map(|v| *v as i64))
}

/// `[1, 2]`: how attributes of StableHLO write lists of axes.
pub fn list(values: &[usize]) -> String {
    let mut out = String::new();
    push_list(&mut out, values);
    out
}
