//! Buffers and events: round trips, zero copies, futures.

use raxla::pjrt::{Client, Device, Event, discovery};
use raxla::{DType, ErrorKind};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll, Wake, Waker};

fn cpu() -> (&'static Client, Device) {
    let client = discovery::client("cpu").unwrap();
    (client, client.default_device().unwrap())
}

#[test]
fn every_dtype_and_shape_makes_the_round_trip() {
    let (client, device) = cpu();
    for dtype in DType::ALL {
        for dims in [&[][..], &[0], &[3], &[2, 3], &[4, 0, 2], &[2, 1, 3, 2]] {
            let size = dtype.size() * dims.iter().product::<usize>();
            // A byte for each element of fewer bits.
            let element = |i: u8| match dtype {
                DType::Bool => i % 2,
                _ if dtype.is_sub_byte() => i % (1 << dtype.bits()),
                _ => i,
            };
            let data: Vec<u8> = (0..size).map(|i| element(i as u8)).collect();
            let buffer = client.buffer_from_host(&data, dtype, dims, &device).unwrap();
            assert_eq!(buffer.dtype().unwrap(), dtype);
            assert_eq!(buffer.dims().unwrap().as_slice(), dims);
            assert_eq!(buffer.device().unwrap(), device);
            assert_eq!(buffer.memory().unwrap(), device.default_memory().unwrap());
            assert!(buffer.on_device_size().unwrap() * 8 >= size * dtype.bits().min(8));
            let mut back = vec![0xff; size];
            buffer.to_host_sync(&mut back).unwrap();
            assert_eq!(back, data, "{dtype}{dims:?}");
            assert_eq!(buffer.to_host_async().unwrap().wait().unwrap(), data);
        }
    }
}

#[test]
fn a_strided_view_is_copied_densely() {
    let (client, device) = cpu();
    // The transpose of a 2x3 matrix, and a reversed row.
    let data = [0_u8, 1, 2, 3, 4, 5];
    let transposed = client.buffer_from_host_strided(&data, 0, &[1, 3], DType::U8, &[3, 2], &device).unwrap();
    assert_eq!(transposed.to_host_async().unwrap().wait().unwrap(), [0, 3, 1, 4, 2, 5]);
    let reversed = client.buffer_from_host_strided(&data, 5, &[-1], DType::U8, &[6], &device).unwrap();
    assert_eq!(reversed.to_host_async().unwrap().wait().unwrap(), [5, 4, 3, 2, 1, 0]);
    let error = client.buffer_from_host_strided(&data, 1, &[1, 3], DType::U8, &[3, 2], &device).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let error = client.buffer_from_host_strided(&data, 0, &[-1], DType::U8, &[2], &device).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

/// Bytes that say when they are dropped, and are aligned as the CPU wants them for a zero copy.
#[repr(C, align(64))]
struct Owned([u8; 256], Arc<AtomicBool>);

impl AsRef<[u8]> for Owned {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        self.1.store(true, Ordering::SeqCst);
    }
}

#[test]
fn owned_host_data_is_used_in_place_and_freed_with_the_buffer() {
    let (client, device) = cpu();
    let dropped = Arc::new(AtomicBool::new(false));
    let owned = Owned([7; 256], Arc::clone(&dropped));
    let buffer = client.buffer_from_host_owned(owned, DType::U8, &[256], &device).unwrap();
    buffer.block_until_ready().unwrap();
    assert!(!dropped.load(Ordering::SeqCst), "the buffer aliases the data, which must live");
    assert_eq!(buffer.to_host_async().unwrap().wait().unwrap(), [7; 256]);
    drop(buffer);
    for _ in 0..1000 {
        if dropped.load(Ordering::SeqCst) {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    panic!("the data was not freed");
}

#[test]
fn the_length_of_host_data_is_checked() {
    let (client, device) = cpu();
    let error = client.buffer_from_host(&[0; 15], DType::F32, &[2, 2], &device).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    assert!(error.message().contains("f32[2, 2]"), "{error}");
    let error = client.buffer_from_host(&[], DType::F32, &[usize::MAX, 8], &device).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
    let buffer = client.buffer_from_host(&[0; 16], DType::F32, &[2, 2], &device).unwrap();
    assert_eq!(buffer.to_host_sync(&mut [0; 12]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_deleted_buffer_says_so() {
    let (client, device) = cpu();
    let buffer = client.buffer_from_host(&[0; 4], DType::F32, &[], &device).unwrap();
    assert!(!buffer.is_deleted());
    buffer.delete().unwrap();
    assert!(buffer.is_deleted());
    let error = buffer.to_host_sync(&mut [0; 4]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeletedBuffer, "{error}");
    let error = buffer.block_until_ready().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::DeletedBuffer, "{error}");
}

#[test]
fn an_external_reference_keeps_the_contents_in_place() {
    let (client, device) = cpu();
    let buffer = client.buffer_from_host(&5_i32.to_ne_bytes(), DType::I32, &[], &device).unwrap();
    let reference = buffer.external_reference().unwrap();
    buffer.block_until_ready().unwrap();
    // SAFETY: the buffer is alive, ready, referenced, and not written.
    let value = unsafe { *(buffer.unsafe_pointer().unwrap() as *const i32) };
    assert_eq!(value, 5);
    drop(reference);
}

#[test]
fn a_buffer_is_copied_to_another_memory() {
    let (client, device) = cpu();
    let buffer = client.buffer_from_host(&[1, 2, 3], DType::U8, &[3], &device).unwrap();
    for memory in device.memories().unwrap() {
        if memory != buffer.memory().unwrap() {
            let copy = buffer.copy_to_memory(&memory).unwrap();
            assert_eq!(copy.memory().unwrap(), memory);
            assert_eq!(copy.to_host_async().unwrap().wait().unwrap(), [1, 2, 3]);
        }
    }
}

#[test]
fn a_transfer_arrives_in_pieces() {
    let (client, device) = cpu();
    let memory = device.default_memory().unwrap();
    let shapes: [(DType, &[usize]); 2] = [(DType::U8, &[6]), (DType::F32, &[])];
    let manager = client.async_transfer_manager(&shapes, &memory).unwrap();
    assert_eq!(manager.len(), 2);
    let buffer = manager.retrieve_buffer(0).unwrap();
    manager.transfer(0, vec![1, 2, 3], 0, false).unwrap();
    assert!(!buffer.is_ready().unwrap());
    let error = manager.transfer(0, vec![0; 4], 3, true).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    manager.transfer(0, vec![4, 5, 6], 3, true).unwrap().wait().unwrap();
    assert_eq!(buffer.to_host_async().unwrap().wait().unwrap(), [1, 2, 3, 4, 5, 6]);
    let error = manager.retrieve_buffer(2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
    let error = manager.transfer(0, vec![7], 0, false).unwrap_err();
    assert!(error.message().contains("was written before"), "{error}");
}

#[test]
fn bytes_that_nobody_wrote_are_never_read() {
    let (client, device) = cpu();
    let memory = device.default_memory().unwrap();
    let shapes: [(DType, &[usize]); 2] = [(DType::U8, &[4]), (DType::U8, &[0])];
    let manager = client.async_transfer_manager(&shapes, &memory).unwrap();
    let buffer = manager.retrieve_buffer(0).unwrap();
    let error = manager.transfer(0, vec![1, 2], 2, true).unwrap_err();
    assert!(error.message().contains("has just [2..4]"), "{error}");
    for (bytes, offset, last) in [(vec![3, 4], 2, false), (vec![9, 9], 1, false), (vec![1, 2], 0, true)] {
        manager.transfer(0, bytes, offset, last).unwrap().wait().unwrap();
    }
    assert_eq!(buffer.to_host_async().unwrap().wait().unwrap(), [1, 2, 9, 4]);
    manager.transfer(1, vec![], 0, true).unwrap().wait().unwrap();
}

#[test]
fn a_buffer_of_a_transfer_is_taken_by_one_thread_alone() {
    let (client, device) = cpu();
    let memory = device.default_memory().unwrap();
    let shapes: Vec<(DType, &[usize])> = vec![(DType::U8, &[1]); 64];
    let manager = client.async_transfer_manager(&shapes, &memory).unwrap();
    let take = || (0..64).filter_map(|i| manager.retrieve_buffer(i).ok()).collect::<Vec<_>>();
    let taken = std::thread::scope(|scope| {
        let threads = [scope.spawn(take), scope.spawn(take)];
        threads.map(|thread| thread.join().unwrap().len())
    });
    assert_eq!(taken.iter().sum::<usize>(), 64);
    (0..64).for_each(|i| drop(manager.transfer(i, vec![0], 0, true).unwrap()));
}

/// The least executor.
fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

#[test]
fn events_and_transfers_can_be_awaited() {
    let (client, device) = cpu();
    let memory = device.default_memory().unwrap();
    let manager = client.async_transfer_manager(&[(DType::U8, &[2])], &memory).unwrap();
    let buffer = manager.retrieve_buffer(0).unwrap();
    let (sender, receiver) = mpsc::channel();
    buffer.ready_event().unwrap().on_ready(move |result| sender.send(result).unwrap()).unwrap();
    let abandoned = buffer.to_host_async().unwrap();
    assert!(!abandoned.is_ready().unwrap());
    // Its bytes must live until the copy, which comes later, is done.
    drop(abandoned);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(std::time::Duration::from_millis(20));
            drop(manager.transfer(0, vec![8, 9], 0, true).unwrap());
        });
        block_on(async {
            let event: Event = buffer.ready_event().unwrap();
            event.await.unwrap();
            assert_eq!(buffer.to_host_async().unwrap().await.unwrap(), [8, 9]);
        });
    });
    receiver.recv().unwrap().unwrap();
}

#[test]
fn a_panic_in_a_callback_stays_there() {
    let (client, device) = cpu();
    let buffer = client.buffer_from_host(&[1], DType::U8, &[1], &device).unwrap();
    let event = buffer.ready_event().unwrap();
    event.wait().unwrap();
    event.on_ready(|_| panic!("expected by a_panic_in_a_callback_stays_there")).unwrap();
    assert_eq!(buffer.to_host_async().unwrap().wait().unwrap(), [1]);
}

#[test]
fn the_last_handle_of_a_client_may_be_dropped_in_a_callback() {
    let client = Client::cpu().unwrap();
    let device = client.default_device().unwrap();
    let memory = device.default_memory().unwrap();
    let manager = client.async_transfer_manager(&[(DType::U8, &[1])], &memory).unwrap();
    let buffer = manager.retrieve_buffer(0).unwrap();
    let (sender, receiver) = mpsc::channel();
    let event = buffer.ready_event().unwrap();
    event
        .on_ready(move |_| {
            drop(buffer);
            sender.send(()).unwrap();
        })
        .unwrap();
    drop((event, device, memory, client));
    drop(manager.transfer(0, vec![1], 0, true).unwrap());
    drop(manager);
    receiver.recv().unwrap();
}
