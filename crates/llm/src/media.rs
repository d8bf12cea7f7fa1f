//! Images and documents in requests: `data:` URLs, and media types derived from file names.

/// Splits `data:image/png;base64,AAAA` into its media type, in lower case, and its base64.
///
/// `None` for percent-encoded text, and if there is no media type. Parameters (`;charset=…`) are dropped. The base64 is
/// not validated.
#[must_use]
pub fn parse_data_url(url: &str) -> Option<(String, String)> {
    let scheme = url.get(..5)?;
    if !scheme.eq_ignore_ascii_case("data:") {
        return None;
    }
    let (head, base64) = url.get(5..)?.split_once(',')?;
    let mut fields = head.split(';').map(str::trim);
    let media_type = fields.next()?.to_ascii_lowercase();
    let (family, kind) = media_type.split_once('/')?;
    if family.is_empty() || kind.is_empty() || !fields.next_back()?.eq_ignore_ascii_case("base64") {
        return None;
    }
    Some((media_type, base64.to_owned()))
}

/// `data:image/png;base64,AAAA`.
#[must_use]
pub fn data_url(media_type: &str, base64: &str) -> String {
    format!("data:{media_type};base64,{base64}")
}

/// The media type of a picture in Base64, by its first bytes.
#[must_use]
pub fn type_of_base64(data: &str) -> Option<&'static str> {
    const BEGINNINGS: [(&str, &str); 4] =
        [("/9j/", "image/jpeg"), ("iVBORw", "image/png"), ("R0lGOD", "image/gif"), ("UklGR", "image/webp")];
    BEGINNINGS.iter().find(|(beginning, _)| data.starts_with(beginning)).map(|(_, media_type)| *media_type)
}

/// The media type of the file name at the end of a URL, without query and fragment.
#[must_use]
pub fn type_of_url(url: &str) -> Option<&'static str> {
    let path = url.split(['?', '#']).next()?;
    // After the host: `https://example.com` has no file, and `.com` is no extension.
    let path = path.split_once("://").map_or(Some(path), |(_, rest)| rest.split_once('/').map(|(_, path)| path))?;
    let (_, extension) = path.rsplit('/').next()?.rsplit_once('.')?;
    let extension = extension.to_ascii_lowercase();
    TYPES.iter().find(|(known, _)| *known == extension).map(|(_, media_type)| *media_type)
}

/// The types that models accept, in the spelling that providers accept.
const TYPES: &[(&str, &str)] = &[
    ("aac", "audio/aac"),
    ("aiff", "audio/aiff"),
    ("avif", "image/avif"),
    ("bmp", "image/bmp"),
    ("csv", "text/csv"),
    ("flac", "audio/flac"),
    ("gif", "image/gif"),
    ("heic", "image/heic"),
    ("heif", "image/heif"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("jpeg", "image/jpeg"),
    ("jpg", "image/jpeg"),
    ("json", "application/json"),
    ("m4a", "audio/mp4"),
    ("md", "text/markdown"),
    ("mov", "video/quicktime"),
    ("mp3", "audio/mpeg"),
    ("mp4", "video/mp4"),
    ("mpeg", "video/mpeg"),
    ("mpg", "video/mpeg"),
    ("ogg", "audio/ogg"),
    ("pdf", "application/pdf"),
    ("png", "image/png"),
    ("tif", "image/tiff"),
    ("tiff", "image/tiff"),
    ("txt", "text/plain"),
    ("wav", "audio/wav"),
    ("webm", "video/webm"),
    ("webp", "image/webp"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_urls_are_split() {
        let table = [
            ("data:image/png;base64,AAAA", Some(("image/png", "AAAA"))),
            ("DATA:Image/PNG;BASE64,AAAA", Some(("image/png", "AAAA"))),
            ("data:text/plain;charset=utf-8;base64,QQ==", Some(("text/plain", "QQ=="))),
            ("data:application/pdf;base64,", Some(("application/pdf", ""))),
            ("data:text/plain,hello", None),
            ("data:;base64,AAAA", None),
            ("data:image/;base64,AAAA", None),
            ("data:image/png;base64", None),
            ("https://example.com/a.png", None),
            ("data", None),
            ("漢字", None),
        ];
        for (url, expected) in table {
            let expected = expected.map(|(media_type, base64)| (media_type.to_owned(), base64.to_owned()));
            assert_eq!(parse_data_url(url), expected, "{url}");
        }
        assert_eq!(parse_data_url(&data_url("image/png", "AAAA")), Some(("image/png".to_owned(), "AAAA".to_owned())));
    }

    #[test]
    fn the_type_follows_from_the_first_bytes() {
        use base64::Engine;
        for (bytes, expected) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\0\0\0\0WEBP", Some("image/webp")),
            (b"%PDF", None),
        ] {
            let data = base64::prelude::BASE64_STANDARD.encode(bytes);
            assert_eq!(type_of_base64(&data), expected, "{data}");
        }
    }

    #[test]
    fn the_type_follows_from_the_file_name() {
        let table = [
            ("https://example.com/a/cat.JPG?size=2.png#x.gif", Some("image/jpeg")),
            ("gs://bucket/report.pdf", Some("application/pdf")),
            ("https://example.com/v1.2/file", None),
            ("https://example.png", None),
            ("https://example.com/archive.tar.webp", Some("image/webp")),
            ("cat.png", Some("image/png")),
            ("https://example.com/cat.exe", None),
            ("", None),
        ];
        for (url, expected) in table {
            assert_eq!(type_of_url(url), expected, "{url}");
        }
    }
}
