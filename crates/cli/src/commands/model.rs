//! A model file and its images, as every command reads them: what was assumed is said, and images
//! that are not those of the run are refused.

use std::path::Path;

use chainrule_train::{Data, Error, ModelFile, Opened, Origin, Sameness};

/// Reads a model file, or the best weights of a run's folder, and says what was assumed.
pub fn open(model: &Path) -> anyhow::Result<Opened> {
    let opened = ModelFile::open(model)?;
    detail!("model: {}", opened.path.display());
    for remark in &opened.remarks {
        let (path, text) = (opened.path.display(), &remark.text);
        match remark.is_warning {
            true => eprintln!("WARNING: {path}: {text}"),
            false => note!("note: {path}: {text}"),
        }
    }
    Ok(opened)
}

/// Whether the images are those of the run, if that is known.
///
/// # Errors
/// If they are not, unless they are `allowed`: then it is said.
pub fn is_of_the_run(
    origin: Option<&Origin>,
    data: &Data,
    allowed: bool,
) -> anyhow::Result<Option<bool>> {
    let Some(origin) = origin else { return Ok(None) };
    match origin.compare(data) {
        Sameness::Same => Ok(Some(true)),
        Sameness::Other(what) if allowed => {
            eprintln!("WARNING: {what}; some of them may have been trained on");
            Ok(Some(false))
        }
        Sameness::Other(what) => Err(Error::OtherImages(what).into()),
        Sameness::Unknown => {
            note!(
                "note: {} does not say which images the run was on: whether these are the same is \
                 not known",
                origin.folder.join("config.toml").display()
            );
            Ok(None)
        }
    }
}
