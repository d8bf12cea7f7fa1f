"""Types that allow or ignore more than they name, checked as if they forbade it."""

import typing

import pydantic


def checked(kind, text, known=()):
    """The document as this type, without any value that the type does not allow, and any member that it does not name;
    but for the `known` ones, by their places."""
    # Otherwise what the type ignores would be lost before it is seen.
    whole = pydantic.TypeAdapter(kind).validate_json(text, strict=True, extra="allow")
    unknown(whole, type(whole).__name__, known)
    return whole


def unknown(value, place, known):
    if isinstance(value, pydantic.BaseModel):
        more = {f"{place}.{name}" for name in value.model_extra or ()} - set(known)
        assert not more, f"unknown members: {more}"
        for name, field in type(value).model_fields.items():
            inside = getattr(value, name)
            words = literals(field.annotation)
            assert not (words and isinstance(inside, str)) or inside in words, f"{place}.{name}: {inside!r}"
            unknown(inside, f"{place}.{name}", known)
    elif isinstance(value, (list, tuple)):
        for at, inside in enumerate(value):
            unknown(inside, f"{place}[{at}]", known)


def literals(annotation):
    """The words of an enumeration, which such types write as `Literal[…] | Any`."""
    options = typing.get_args(annotation) if typing.get_origin(annotation) is typing.Union else [annotation]
    named = [option for option in options if typing.get_origin(option) is typing.Literal]
    return [word for option in named for word in typing.get_args(option)]
