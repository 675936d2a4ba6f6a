"""Makes a command of a WASI reactor, as its embedder would: nothing of its code is touched.

`_start` calls `_initialize` and `run`, and exits with what that returns. An import that only its
own embedder offers is answered by a function of WASI of the same type that fails with EBADF.
"""


def command(module, door=("host", "call"), answer=("wasi_snapshot_preview1", "fd_read")):
    sections = list(_sections(module))
    imports = dict((s, b) for s, b in sections if s)[2]
    functions, exit_at = _imports(imports)
    exports = _exports(dict(sections)[7])
    types, at = _leb(dict(sections)[1], 0)
    defined, _ = _leb(dict(sections)[3], 0)
    body = (
        b"\x00"
        + b"\x10" + _uleb(exports["_initialize"])
        + b"\x10" + _uleb(exports["run"])
        + b"\x10" + _uleb(exit_at)
        + b"\x0b"
    )
    out = [module[:8]]
    for section, content in sections:
        if section == 1:
            content = _append(content, b"\x60\x00\x00")
        elif section == 2:
            content = _renamed(content, door, answer)
        elif section == 3:
            content = _append(content, _uleb(types))
        elif section == 7:
            # A command that exports it too has it called twice.
            initialize = _name("_initialize"), _name("_initialized_by_start")
            content = content.replace(initialize[0] + b"\x00", initialize[1] + b"\x00", 1)
            start = _name("_start") + b"\x00" + _uleb(functions + defined)
            content = _append(content, start)
        elif section == 10:
            content = _append(content, _uleb(len(body)) + body)
        out.append(bytes([section]) + _uleb(len(content)) + content)
    return b"".join(out)


def _leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, at


def _uleb(value):
    out = bytearray()
    while True:
        byte = value & 0x7F
        value >>= 7
        out.append(byte | (0x80 if value else 0))
        if not value:
            return bytes(out)


def _name(text):
    return _uleb(len(text)) + text.encode()


def _text(data, at):
    size, at = _leb(data, at)
    return data[at : at + size].decode(), at + size


def _sections(module):
    at = 8
    while at < len(module):
        section = module[at]
        size, at = _leb(module, at + 1)
        yield section, module[at : at + size]
        at += size


def _append(content, entry):
    count, at = _leb(content, 0)
    return _uleb(count + 1) + content[at:] + entry


def _each_import(content):
    count, at = _leb(content, 0)
    for _ in range(count):
        begun = at
        module, at = _text(content, at)
        name, at = _text(content, at)
        kind, described = content[at], at
        at += 1
        if kind != 0:
            raise ValueError(f"{module}.{name} is no function")
        _, at = _leb(content, at)
        yield (module, name), begun, described, at


def _imports(content):
    functions, exit_at = 0, None
    for name, *_ in _each_import(content):
        if name == ("wasi_snapshot_preview1", "proc_exit"):
            exit_at = functions
        functions += 1
    return functions, exit_at


def _renamed(content, door, answer):
    count, at = _leb(content, 0)
    out = [_uleb(count)]
    for name, begun, described, end in _each_import(content):
        if name == door:
            out.append(_name(answer[0]) + _name(answer[1]) + content[described:end])
        else:
            out.append(content[begun:end])
    return b"".join(out)


def _exports(content):
    count, at = _leb(content, 0)
    found = {}
    for _ in range(count):
        name, at = _text(content, at)
        kind = content[at]
        index, at = _leb(content, at + 1)
        if kind == 0:
            found[name] = index
    return found
