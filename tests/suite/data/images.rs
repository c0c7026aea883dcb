//! Pictures, as Pillow reads them.

use raxla::data::{
    Channels, Dataset, ImageFolder, ImageOptions, Loader, LoaderOptions, read_image, read_image_with,
};
use raxla::{ErrorKind, random};

use super::{Directory, expected, fixture, message};

#[test]
fn pictures_are_what_pillow_reads() {
    for (name, expected) in expected()["images"].as_object().unwrap() {
        let picture = read_image(fixture(name)).unwrap();
        let shape: Vec<usize> = serde_json::from_value(expected["shape"].clone()).unwrap();
        let rgb: Vec<u8> = serde_json::from_value(expected["rgb"].clone()).unwrap();
        assert_eq!(picture.shape(), shape, "{name}");
        // Decoders of JPEG may round in another way.
        let most = if name.ends_with("jpg") { 3 } else { 0 };
        let far = |(a, b): (&u8, &u8)| a.abs_diff(*b) > most;
        assert!(!picture.bytes().iter().zip(&rgb).any(far), "{name}: {:?}, {rgb:?}", picture.bytes());
    }
}

#[test]
fn pictures_have_the_channels_and_the_size_that_are_asked_for() {
    let gray = read_image_with(fixture("gray.png"), ImageOptions::new().channels(Channels::Gray)).unwrap();
    assert_eq!(gray.shape(), [16, 16, 1]);
    assert_eq!(gray.bytes()[..3], [0, 4, 8]);
    let rgba = read_image_with(fixture("rgb.png"), ImageOptions::new().channels(Channels::Rgba)).unwrap();
    assert_eq!((rgba.shape(), rgba.bytes()[3]), (&[5, 4, 4][..], 255));
    let options = ImageOptions::new().size([8, 4]).channels(Channels::Gray);
    let small = read_image_with(fixture("gray.png"), options).unwrap();
    assert_eq!(small.shape(), [8, 4, 1]);
    // Of a ramp the means are a ramp.
    assert!(small.bytes().chunks(4).all(|row| row.is_sorted()));
    let e = read_image_with(fixture("gray.png"), ImageOptions::new().size([0, 4])).unwrap_err();
    assert_eq!(e.message(), "image: size is [0, 4], expected a height and a width");
}

#[test]
fn a_folder_of_pictures_has_its_folders_for_classes() {
    let directory = Directory::new("folder");
    for (class, file) in
        [("rose", "rgb.png"), ("daisy", "gray.png"), ("daisy", "ramp.jpg"), ("rose/more", "palette.png")]
    {
        std::fs::create_dir_all(directory.file(class)).unwrap();
        std::fs::copy(fixture(file), directory.file(class).join(file)).unwrap();
    }
    directory.write("rose/notes.txt", "no picture");
    let folder = ImageFolder::new_with(&directory.0, ImageOptions::new().size([4, 4])).unwrap();
    assert_eq!((folder.classes(), folder.len()), (&["daisy", "rose"].map(String::from)[..], 4));
    assert!(folder.path(1).unwrap().ends_with("daisy/ramp.jpg"));
    let options = LoaderOptions::new().shuffle(random::key(0)).workers(2);
    let (x, y) = Loader::new_with(folder, 4, options).unwrap().iter().next().unwrap().unwrap().data;
    assert_eq!(x.shape(), [4, 4, 4, 3]);
    let mut classes = y.to_vec::<i32>().unwrap();
    classes.sort_unstable();
    assert_eq!(classes, [0, 0, 1, 1]);
}

#[test]
fn pictures_that_are_none_are_named() {
    let directory = Directory::new("no-pictures");
    let path = directory.write("a.png", "no picture");
    let e = read_image(&path).unwrap_err();
    assert_eq!(e.kind(), ErrorKind::Io);
    assert!(e.message().starts_with(&format!("could not read {}: ", path.display())), "{}", e.message());
    assert!(e.location().unwrap().file().ends_with("images.rs"));
    assert_eq!(
        message(ImageFolder::new(&directory.0)),
        format!(
            "{} has no PNG or JPEG files in folders of their classes; it has 0 folders",
            directory.0.display()
        )
    );
    // In a folder it is the row's error, which a worker meets.
    std::fs::create_dir_all(directory.file("class")).unwrap();
    std::fs::copy(&path, directory.file("class/a.png")).unwrap();
    let loader = Loader::new(ImageFolder::new(&directory.0).unwrap(), 1).unwrap();
    for workers in [0, 1] {
        let loader = Loader::new_with(loader.dataset().clone(), 1, LoaderOptions::new().workers(workers));
        let (line, mut seen) = (line!() + 1, None);
        for batch in &loader.unwrap() {
            seen = batch.err();
        }
        let e = seen.unwrap();
        assert_eq!(e.kind(), ErrorKind::Io);
        assert!(e.message().starts_with("row 0: could not read "), "{e}");
        assert!(e.message().contains("class/a.png: "), "{e}");
        let at = e.location().unwrap();
        assert!(at.file().ends_with("images.rs") && at.line() == line, "{at}");
    }
    // Pictures of different sizes want one.
    std::fs::copy(fixture("rgb.png"), directory.file("class/a.png")).unwrap();
    std::fs::copy(fixture("gray.png"), directory.file("class/b.png")).unwrap();
    let loader = Loader::new(ImageFolder::new(&directory.0).unwrap(), 2).unwrap();
    let e = message(loader.iter().next().unwrap());
    assert_eq!(e, "row 1: leaf 0 is u8[16,16,3], and u8[5,4,3] in the row before it");
}
