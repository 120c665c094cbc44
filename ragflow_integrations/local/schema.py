"""The tables of the knowledge base, as numbered migrations.

A migration is never changed after a release: a new one is appended. ``PRAGMA user_version`` holds how many
have run; ``PRAGMA application_id`` tells our files from any other SQLite file.
"""

from __future__ import annotations

__all__ = ["APPLICATION_ID", "MIGRATIONS"]

APPLICATION_ID = 0x52464B42  # "RFKB"

# Times are milliseconds since 1970, as on the wire; columns named *_json hold JSON text.
# A chunk's rowid is its key in the full-text index and in the matrices, and is never used twice.
_FIRST = """
CREATE TABLE setting(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE dataset(
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE ANY_CASE,
    settings_json TEXT NOT NULL,
    embedder TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    document_count INTEGER NOT NULL DEFAULT 0,
    chunk_count INTEGER NOT NULL DEFAULT 0,
    token_num INTEGER NOT NULL DEFAULT 0,
    appended INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
);

CREATE TABLE blob(sha256 TEXT PRIMARY KEY, data BLOB NOT NULL);

CREATE TABLE document(
    id TEXT PRIMARY KEY,
    dataset_id TEXT NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    name TEXT NOT NULL COLLATE ANY_CASE,
    location TEXT NOT NULL,
    suffix TEXT NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    sha256 TEXT NOT NULL REFERENCES blob(sha256),
    chunk_method TEXT NOT NULL,
    parser_config_json TEXT NOT NULL,
    meta_fields_json TEXT NOT NULL DEFAULT '{}',
    status TEXT NOT NULL DEFAULT '1',
    run TEXT NOT NULL DEFAULT 'UNSTART',
    progress REAL NOT NULL DEFAULT 0.0,
    progress_msg TEXT NOT NULL DEFAULT '',
    process_begin_at TEXT,
    process_duration REAL NOT NULL DEFAULT 0.0,
    chunk_count INTEGER NOT NULL DEFAULT 0,
    token_count INTEGER NOT NULL DEFAULT 0,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    UNIQUE(dataset_id, name)
);
CREATE INDEX document_by_blob ON document(sha256);

CREATE TABLE job(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL UNIQUE REFERENCES document(id) ON DELETE CASCADE
);

CREATE TABLE chunk(
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    dataset_id TEXT NOT NULL REFERENCES dataset(id),
    document_id TEXT NOT NULL REFERENCES document(id),
    place INTEGER,
    content TEXT NOT NULL,
    important_keywords_json TEXT NOT NULL,
    questions_json TEXT NOT NULL,
    token_count INTEGER NOT NULL,
    available INTEGER NOT NULL DEFAULT 1,
    create_time INTEGER NOT NULL
);
CREATE INDEX chunk_by_document ON chunk(document_id, place);
CREATE INDEX chunk_by_dataset ON chunk(dataset_id, available);

CREATE TABLE chunk_index(row INTEGER PRIMARY KEY, terms TEXT NOT NULL, vector BLOB NOT NULL);

CREATE VIRTUAL TABLE term USING fts5(
    terms, dataset_id, document_id,
    content='', contentless_delete=1,
    tokenize="unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co Cn'"
);

CREATE TABLE chat(
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL UNIQUE COLLATE ANY_CASE,
    dataset_ids_json TEXT NOT NULL,
    settings_json TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
);

CREATE TABLE session(
    id TEXT PRIMARY KEY,
    chat_id TEXT NOT NULL REFERENCES chat(id) ON DELETE CASCADE,
    name TEXT NOT NULL,
    messages_json TEXT NOT NULL,
    reference_json TEXT NOT NULL DEFAULT '[]',
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
);
CREATE INDEX session_by_chat ON session(chat_id);
"""

# Several keys, each a tenant of its own: names are unique for a tenant only.
_TENANTS = """
CREATE TABLE token(
    token TEXT PRIMARY KEY,
    beta TEXT NOT NULL UNIQUE,
    tenant_id TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE new_dataset(
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL COLLATE ANY_CASE,
    settings_json TEXT NOT NULL,
    embedder TEXT NOT NULL,
    dimensions INTEGER NOT NULL,
    document_count INTEGER NOT NULL DEFAULT 0,
    chunk_count INTEGER NOT NULL DEFAULT 0,
    token_num INTEGER NOT NULL DEFAULT 0,
    appended INTEGER NOT NULL DEFAULT 0,
    removed INTEGER NOT NULL DEFAULT 0,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    UNIQUE(tenant_id, name)
);
INSERT INTO new_dataset
SELECT id, (SELECT value FROM setting WHERE name = 'tenant_id'), name, settings_json, embedder, dimensions,
    document_count, chunk_count, token_num, appended, removed, create_time, update_time
FROM dataset ORDER BY rowid;
DROP TABLE dataset;
ALTER TABLE new_dataset RENAME TO dataset;

CREATE TABLE new_chat(
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL COLLATE ANY_CASE,
    dataset_ids_json TEXT NOT NULL,
    settings_json TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    UNIQUE(tenant_id, name)
);
INSERT INTO new_chat
SELECT id, (SELECT value FROM setting WHERE name = 'tenant_id'), name, dataset_ids_json, settings_json,
    create_time, update_time
FROM chat ORDER BY rowid;
DROP TABLE chat;
ALTER TABLE new_chat RENAME TO chat;
"""

# A message's number is never used twice: it is the source_id of what was extracted from it.
_MEMORIES = """
CREATE TABLE memory(
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL COLLATE ANY_CASE,
    settings_json TEXT NOT NULL,
    size INTEGER NOT NULL DEFAULT 0,
    embedder TEXT,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    UNIQUE(tenant_id, name)
);

CREATE TABLE message(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    memory_id TEXT NOT NULL REFERENCES memory(id) ON DELETE CASCADE,
    source_id INTEGER NOT NULL,
    message_type TEXT NOT NULL,
    user_id TEXT NOT NULL,
    agent_id TEXT NOT NULL,
    session_id TEXT NOT NULL,
    content TEXT NOT NULL,
    terms TEXT NOT NULL,
    vector BLOB NOT NULL,
    size INTEGER NOT NULL,
    status INTEGER NOT NULL DEFAULT 1,
    valid_at TEXT NOT NULL,
    invalid_at TEXT,
    forget_at TEXT
);
CREATE INDEX message_by_memory ON message(memory_id, valid_at);
CREATE INDEX message_by_source ON message(source_id);

CREATE VIRTUAL TABLE message_term USING fts5(
    terms, memory_id,
    content='', contentless_delete=1,
    tokenize="unicode61 remove_diacritics 0 categories 'L* M* N* P* S* Co Cn'"
);

CREATE TABLE memory_task(
    id TEXT PRIMARY KEY,
    message_id INTEGER NOT NULL UNIQUE REFERENCES message(id) ON DELETE CASCADE,
    progress REAL NOT NULL,
    progress_msg TEXT NOT NULL,
    create_time INTEGER NOT NULL
);
CREATE INDEX memory_task_to_do ON memory_task(create_time) WHERE progress BETWEEN 0 AND 0.99;
"""

_AGENTS = """
CREATE TABLE agent(
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    title TEXT NOT NULL,
    settings_json TEXT NOT NULL,
    dsl_json TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
);
CREATE INDEX agent_by_tenant ON agent(tenant_id);

CREATE TABLE agent_version(
    id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agent(id) ON DELETE CASCADE,
    title TEXT NOT NULL,
    release INTEGER NOT NULL,
    dsl_json TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
);
CREATE INDEX agent_version_by_agent ON agent_version(agent_id);

CREATE TABLE agent_session(
    id TEXT PRIMARY KEY,
    agent_id TEXT NOT NULL REFERENCES agent(id) ON DELETE CASCADE,
    user_id TEXT NOT NULL,
    settings_json TEXT NOT NULL,
    messages_json TEXT NOT NULL,
    reference_json TEXT NOT NULL,
    dsl_json TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
);
CREATE INDEX agent_session_by_agent ON agent_session(agent_id);
"""

# A session's user: the tenant, or one of the tenant's own; what is made with an embed key is apart from the others.
_SESSIONS = """
ALTER TABLE session ADD COLUMN user_id TEXT NOT NULL DEFAULT '';
UPDATE session SET user_id = (SELECT tenant_id FROM chat WHERE id = chat_id);
ALTER TABLE session ADD COLUMN embedded INTEGER NOT NULL DEFAULT 0;
"""

# What chunks are besides their text: where they stand, what they are, which tags they have, what they are a part of.
_PARSING = """
ALTER TABLE chunk ADD COLUMN positions_json TEXT NOT NULL DEFAULT '[]';
ALTER TABLE chunk ADD COLUMN doc_type TEXT NOT NULL DEFAULT 'text';
ALTER TABLE chunk ADD COLUMN tags_json TEXT NOT NULL DEFAULT '[]';
ALTER TABLE chunk ADD COLUMN mom_id TEXT NOT NULL DEFAULT '';
UPDATE chunk SET positions_json = printf('[[%d,%d,%d,%d,%d]]', place + 1, place, place, place, place)
WHERE place IS NOT NULL;

CREATE TABLE parent(
    document_id TEXT NOT NULL REFERENCES document(id) ON DELETE CASCADE,
    id TEXT NOT NULL,
    content TEXT NOT NULL,
    positions_json TEXT NOT NULL,
    PRIMARY KEY(document_id, id)
) WITHOUT ROWID;
"""

# What is put to a chunk by hand.
_CHUNK_EXTRAS = """
ALTER TABLE chunk ADD COLUMN tag_features_json TEXT NOT NULL DEFAULT '{}';
ALTER TABLE chunk ADD COLUMN has_image INTEGER NOT NULL DEFAULT 0;
CREATE TABLE chunk_image(
    chunk_id TEXT PRIMARY KEY REFERENCES chunk(id) ON DELETE CASCADE,
    data BLOB NOT NULL
) WITHOUT ROWID;
"""

_SEARCHES = """
CREATE TABLE search(
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    name TEXT NOT NULL COLLATE ANY_CASE,
    settings_json TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    UNIQUE(tenant_id, name)
);
"""

# Documents whose chunks are still indexed under their old name.
_RENAMED = """
CREATE TABLE renamed(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    document_id TEXT NOT NULL UNIQUE REFERENCES document(id) ON DELETE CASCADE,
    old TEXT NOT NULL,
    new TEXT NOT NULL
);
"""

# Files beside the datasets; the root folder of a tenant is its own parent. Linked files are documents as well.
_FILES = """
CREATE TABLE file(
    id TEXT PRIMARY KEY,
    tenant_id TEXT NOT NULL,
    parent_id TEXT NOT NULL REFERENCES file(id),
    name TEXT NOT NULL COLLATE ANY_CASE,
    type TEXT NOT NULL,
    location TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT REFERENCES blob(sha256),
    source_type TEXT NOT NULL DEFAULT '',
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL
);
CREATE INDEX file_by_parent ON file(parent_id);
CREATE INDEX file_by_blob ON file(sha256);

CREATE TABLE file_link(
    file_id TEXT NOT NULL REFERENCES file(id) ON DELETE CASCADE,
    document_id TEXT NOT NULL REFERENCES document(id) ON DELETE CASCADE,
    PRIMARY KEY (file_id, document_id)
) WITHOUT ROWID;
CREATE INDEX file_link_by_document ON file_link(document_id);
"""

# Items are listed by namespace, the older namespaces first: ``space`` grows with each new one of a dataset.
_ITEMS = """
CREATE TABLE item(
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    dataset_id TEXT NOT NULL REFERENCES dataset(id) ON DELETE CASCADE,
    namespace TEXT NOT NULL,
    space INTEGER NOT NULL,
    key TEXT NOT NULL,
    value_json TEXT NOT NULL,
    create_time INTEGER NOT NULL,
    update_time INTEGER NOT NULL,
    UNIQUE(dataset_id, namespace, key)
);
CREATE INDEX item_in_order ON item(dataset_id, space, id);
"""

# Fewer merges, each of which some writer would wait for: of what is half deleted, and of eight segments. How far the
# chunks of a renamed document have followed.
_LARGE_CHANGES = """
INSERT INTO term(term, rank) VALUES ('deletemerge', 50);
INSERT INTO term(term, rank) VALUES ('automerge', 8);
ALTER TABLE renamed ADD COLUMN done INTEGER NOT NULL DEFAULT 0;
"""

MIGRATIONS = (
    _FIRST,
    _TENANTS,
    _MEMORIES,
    _AGENTS,
    _SESSIONS,
    _PARSING,
    _SEARCHES,
    _RENAMED,
    _CHUNK_EXTRAS,
    _FILES,
    _ITEMS,
    _LARGE_CHANGES,
)
