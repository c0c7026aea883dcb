//! What must not compile, and what rustc then says. `TRYBUILD=overwrite` rewrites the expected messages.

#[test]
fn misuse_does_not_compile_and_says_why() {
    trybuild::TestCases::new().compile_fail("tests/compile_fail/*.rs");
}
