//! What must not compile, and what rustc then says. `TRYBUILD=overwrite` rewrites the expected messages. With `RAXLA_TESTS=all` only,
//! since the crate is built once more for it.

#[test]
fn misuse_does_not_compile_and_says_why() {
    let wanted =
        std::env::var("RAXLA_TESTS").is_ok_and(|v| v == "all") || std::env::var_os("TRYBUILD").is_some();
    if !wanted {
        return println!("skipped: set RAXLA_TESTS=all");
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
