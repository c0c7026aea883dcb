//! The shortest way through PJRT.
use raxla::DType;
use raxla::pjrt::{Client, CompileOptions, Program, discovery};

#[test]
fn a_program_compiles_and_runs() {
    let client: &Client = discovery::client("cpu").unwrap();
    let text =
        "module { func.func public @main(%a: tensor<2x2xf32>, %b: tensor<2x2xf32>) -> tensor<2x2xf32> {
        %0 = stablehlo.add %a, %b : tensor<2x2xf32>
        return %0 : tensor<2x2xf32> } }";
    let executable = client.compile(&Program::mlir_text(text), &CompileOptions::new()).unwrap();
    let device = client.default_device().unwrap();
    let data: Vec<u8> = [1_f32, 2.0, 3.0, 4.0].iter().flat_map(|x| x.to_ne_bytes()).collect();
    let x = client.buffer_from_host(&data, DType::F32, &[2, 2], &device).unwrap();
    let outputs = executable.execute(&[&x, &x], &[]).unwrap();
    let mut bytes = [0; 16];
    outputs[0].to_host_sync(&mut bytes).unwrap();
    let values: Vec<f32> = bytes.chunks(4).map(|b| f32::from_ne_bytes(b.try_into().unwrap())).collect();
    assert_eq!(values, [2.0, 4.0, 6.0, 8.0]);
}
