use proptest::prelude::*;

use super::*;

const SECRET: &[u8] = b"GPS 48.137N";

/// What stays of a file that comes in pieces of this size.
fn filtered(file_type: FileType, file: &[u8], piece: usize) -> Vec<u8> {
    let mut filter = MetadataFilter::new(file_type);
    let pieces = file
        .chunks(piece)
        .map(|piece| filter.push(Bytes::copy_from_slice(piece)));
    pieces.collect::<Vec<_>>().concat()
}

/// The same, whatever the pieces are.
fn filtered_anyhow(file_type: FileType, file: &[u8]) -> Vec<u8> {
    let whole = filtered(file_type, file, usize::MAX);
    for piece in [1, 2, 3, 7, 64] {
        assert_eq!(filtered(file_type, file, piece), whole, "in pieces of {piece}");
    }
    whole
}

fn segment(marker: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xff, marker], &length[..], &content].concat()
}

/// TIFF with an orientation and a secret.
fn tiff(is_big: bool, orientation: u8) -> Vec<u8> {
    let head: &[u8] = if is_big {
        b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0"
    } else {
        b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0"
    };
    let value: &[u8] = if is_big {
        &[orientation, 0, 0]
    } else {
        &[orientation, 0, 0, 0]
    };
    [head, value, SECRET].concat()
}

fn jpeg(exif: &[u8]) -> Vec<u8> {
    [
        b"\xff\xd8".to_vec(),
        segment(0xe0, &[b"JFIF\0\x01\x02"]),
        segment(0xe1, &[b"Exif\0\0", exif]),
        segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", SECRET]),
        segment(0xe2, &[b"ICC_PROFILE\0\x01\x01colours"]),
        segment(0xe2, &[b"MPF\0", SECRET]),
        segment(0xed, &[b"Photoshop 3.0\0", SECRET]),
        segment(0xee, &[b"Adobe\0d"]),
        segment(0xfe, &[SECRET]),
        segment(0xdb, &[b"tables"]),
        segment(0xda, &[b"scan"]),
        b"\x12\xff\x00\x34\xff\xd0\x56".to_vec(),
        segment(0xda, &[b"next"]),
        b"\x78\xff\xd9".to_vec(),
        SECRET.to_vec(),
    ]
    .concat()
}

#[test]
fn a_jpeg_keeps_its_image_colours_and_orientation() {
    let image = |exif: &[u8]| {
        [
            b"\xff\xd8".to_vec(),
            segment(0xe0, &[b"JFIF\0\x01\x02"]),
            exif.to_vec(),
            segment(0xe2, &[b"ICC_PROFILE\0\x01\x01colours"]),
            segment(0xee, &[b"Adobe\0d"]),
            segment(0xdb, &[b"tables"]),
            segment(0xda, &[b"scan"]),
            b"\x12\xff\x00\x34\xff\xd0\x56".to_vec(),
            segment(0xda, &[b"next"]),
            b"\x78\xff\xd9".to_vec(),
        ]
        .concat()
    };
    let six = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0";
    assert_eq!(usize::from(six[3]), six.len() - 2);
    for is_big in [true, false] {
        assert_eq!(filtered_anyhow(FileType::Jpeg, &jpeg(&tiff(is_big, 6))), image(six));
        assert_eq!(filtered_anyhow(FileType::Jpeg, &jpeg(&tiff(is_big, 1))), image(b""));
    }
    assert_eq!(
        filtered_anyhow(FileType::Jpeg, &jpeg(b"II*\0\xff\xff\xff\xff")),
        image(b"")
    );
}

#[test]
fn a_png_keeps_its_image_and_colours() {
    let chunk = |name: &[u8], data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&length[..], name, data, b"CRC!"].concat()
    };
    let signature = b"\x89PNG\r\n\x1a\n".to_vec();
    let file = [
        signature.clone(),
        chunk(b"IHDR", b"13 bytes here"),
        chunk(b"iCCP", b"colours"),
        chunk(b"eXIf", SECRET),
        chunk(b"tEXt", SECRET),
        chunk(b"zTXt", SECRET),
        chunk(b"iTXt", SECRET),
        chunk(b"tIME", SECRET),
        chunk(b"IDAT", b"image"),
        chunk(b"IEND", b""),
        SECRET.to_vec(),
    ];
    let expected = [
        signature,
        chunk(b"IHDR", b"13 bytes here"),
        chunk(b"iCCP", b"colours"),
        chunk(b"IDAT", b"image"),
        chunk(b"IEND", b""),
    ];
    assert_eq!(filtered_anyhow(FileType::Png, &file.concat()), expected.concat());
}

#[test]
fn a_gif_keeps_its_images_and_how_often_they_repeat() {
    let parts = |secret: bool| {
        let comment = [&b"!\xfe\x0b"[..], SECRET, b"\0"].concat();
        let xmp = [&b"!\xff\x0bXMP DataXMP\x0b"[..], SECRET, b"\0"].concat();
        [
            b"GIF89a\x01\0\x01\0\x80\0\0abcdef".to_vec(),
            b"!\xff\x0bNETSCAPE2.0\x03\x01\0\0\0".to_vec(),
            if secret { comment } else { Vec::new() },
            b"!\xf9\x04\0\0\0\0\0".to_vec(),
            b",\0\0\0\0\x01\0\x01\0\x81ABCDEFGHIJKL\x02\x03xyz\x01w\0".to_vec(),
            if secret { xmp } else { Vec::new() },
            b";".to_vec(),
            if secret { SECRET.to_vec() } else { Vec::new() },
        ]
        .concat()
    };
    assert_eq!(filtered_anyhow(FileType::Gif, &parts(true)), parts(false));
}

#[test]
fn a_webp_keeps_its_size_its_image_and_colours() {
    let chunk = |name: &[u8], data: &[u8]| {
        let length = u32::try_from(data.len()).unwrap().to_le_bytes();
        [name, &length, data, &[0][..data.len() % 2]].concat()
    };
    let head = b"RIFF\x99\0\0\0WEBP".to_vec();
    let flags = |flags: u8| chunk(b"VP8X", &[flags, 0, 0, 0, 9, 0, 0, 9, 0, 0]);
    let zeros = vec![0; SECRET.len()];
    let file = [
        head.clone(),
        flags(0x2c),
        chunk(b"ICCP", b"colours"),
        chunk(b"VP8 ", b"image"),
        chunk(b"EXIF", SECRET),
        chunk(b"XMP ", SECRET),
    ];
    let expected = [
        head,
        flags(0x20),
        chunk(b"ICCP", b"colours"),
        chunk(b"VP8 ", b"image"),
        chunk(b"JUNK", &zeros),
        chunk(b"JUNK", &zeros),
    ];
    assert_eq!(filtered_anyhow(FileType::Webp, &file.concat()), expected.concat());
}

#[test]
fn a_heic_has_nothing_where_its_metadata_was() {
    let boxed = |name: &[u8], content: &[&[u8]]| {
        let content = content.concat();
        let size = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&size[..], name, &content].concat()
    };
    let item = |id: u8, kind: &[u8]| boxed(b"infe", &[b"\x02\0\0\0\0", &[id], b"\0\0", kind, b"\0"]);
    let information = boxed(
        b"iinf",
        &[
            b"\0\0\0\0\0\x03",
            &item(1, b"hvc1"),
            &item(2, b"Exif"),
            &item(3, b"mime"),
        ],
    );
    let file = |in_data: &[u8], in_file: &[u8]| {
        let length = u8::try_from(SECRET.len()).unwrap();
        let location =
            |id: u8, method: u8, offset: u8, length: u8| [0, id, 0, method, 0, 0, 0, 1, 0, offset, 0, length];
        let of = |offset: u8| {
            let locations = [
                location(1, 0, offset - length, length),
                location(2, 0, offset, 2 * length),
                location(3, 1, 0, length),
            ]
            .concat();
            let meta = boxed(
                b"meta",
                &[
                    b"\0\0\0\0",
                    &information,
                    &boxed(b"idat", &[in_data]),
                    &boxed(b"iloc", &[b"\x01\0\0\0\x22\0\0\x03", &locations]),
                ],
            );
            [boxed(b"ftyp", &[b"heic"]), meta].concat()
        };
        let image = vec![b'i'; SECRET.len()];
        let offset = of(100).len() + 8 + image.len();
        [
            of(u8::try_from(offset).unwrap()),
            boxed(b"mdat", &[&image, in_file, b"rest"]),
        ]
        .concat()
    };
    let exif = [SECRET, SECRET].concat();
    let nothing = [&b"\0\0\0\0MM\0*\0\0\0\x08\0\0\0\0\0\0"[..], &[0; 4]].concat();
    assert_eq!(exif.len(), nothing.len());
    let zeros = vec![0; SECRET.len()];
    assert_eq!(
        filtered_anyhow(FileType::Heic, &file(SECRET, &exif)),
        file(&zeros, &nothing)
    );
}

#[test]
fn other_files_pass() {
    for file_type in [FileType::Mp4, FileType::Pdf, FileType::Ogg, FileType::Text] {
        assert_eq!(filtered_anyhow(file_type, &jpeg(SECRET)), jpeg(SECRET));
    }
}

proptest! {
    #[test]
    fn pieces_change_nothing_and_nothing_panics(
        file in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..300),
            prop::collection::vec(prop_oneof![Just(0xff), Just(0), any::<u8>()], 0..300),
        ],
        which in 0_usize..5,
        piece in 1_usize..40,
    ) {
        let (file_type, begin): (_, &[u8]) = [
            (FileType::Jpeg, &b"\xff\xd8"[..]),
            (FileType::Png, b"\x89PNG\r\n\x1a\n\0\0\0\0IHDRcrc!"),
            (FileType::Gif, b"GIF89a\0\0\0\0\0\0\0"),
            (FileType::Webp, b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0"),
            (FileType::Heic, b"\0\0\0\x08ftyp\0\0\0\x80meta\0\0\0\0\0\0\0\x20iinf\x01"),
        ][which];
        let file = [begin, &file].concat();
        let whole = filtered(file_type, &file, usize::MAX);
        prop_assert!(whole.len() <= file.len() + 36);
        prop_assert_eq!(filtered(file_type, &file, piece), whole);
    }
}
