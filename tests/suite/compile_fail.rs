//! What must not compile, and what rustc then says. `TRYBUILD=overwrite` rewrites the expected messages. With `RAXLA_TESTS=all`
//! or a number that is even, since the crate is built once more for it.

#[test]
fn misuse_does_not_compile_and_says_why() {
    let tests = std::env::var("RAXLA_TESTS").unwrap_or_default();
    let in_turn = tests.parse::<usize>().is_ok_and(|turn| turn.is_multiple_of(2));
    if tests != "all" && !in_turn && std::env::var_os("TRYBUILD").is_none() {
        return println!("skipped: set RAXLA_TESTS=all");
    }
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
