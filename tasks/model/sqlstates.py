"""What PostgreSQL's SQLSTATEs mean, in our own words, and the sentences of its own that we know."""

from __future__ import annotations

CLASSES = {
    "02": "there was no data where some was expected",
    "03": "an SQL statement was not complete yet",
    "08": "the connection to the server broke",
    "09": "a trigger's action failed",
    "0A": "this server does not support it",
    "0B": "a transaction could not be begun",
    "0F": "a locator is invalid",
    "0L": "the grantor may not grant that",
    "0P": "a role is named that is not allowed",
    "0Z": "diagnostics were asked for outside of an error",
    "20": "no case of a CASE statement fits",
    "21": "more rows came back than are allowed there",
    "22": "a value is not valid for its type or function",
    "23": "rows break a constraint",
    "24": "a cursor is in the wrong state",
    "25": "the transaction does not allow it",
    "26": "a prepared statement is not there",
    "27": "a trigger changed the rows under way",
    "28": "the role may not log in",
    "2B": "privileges depend on it",
    "2D": "the transaction cannot be ended there",
    "2F": "an SQL function may not do that",
    "34": "a cursor is not there",
    "38": "an external routine failed",
    "39": "an external routine was called wrongly",
    "3B": "a savepoint is not there",
    "3D": "the database is not there",
    "3F": "a schema is not there",
    "40": "the transaction was rolled back",
    "42": "the statement breaks a rule of SQL or of access",
    "44": "a row lies outside of its view's condition",
    "53": "the server lacks a resource",
    "54": "a limit of the server is exceeded",
    "55": "an object is not in the state for it",
    "57": "the server or somebody stopped it",
    "58": "the operating system failed the server",
    "72": "the snapshot is too old",
    "F0": "the configuration file is wrong",
    "HV": "foreign data could not be reached",
    "P0": "a function refused it",
    "XX": "the server met an error inside itself",
}
STATES = {
    "22001": "a value is too long for its type",
    "22003": "a number is out of range for its type",
    "22004": "a NULL is where none is allowed",
    "22007": "a date or time is malformed",
    "22008": "a date or time is out of range",
    "22009": "a time zone's displacement is invalid",
    "22012": "a division by zero",
    "22021": "bytes are no text in the encoding",
    "22023": "a value is no valid parameter",
    "22032": "a JSON text is malformed",
    "22P02": "a value is malformed for its type",
    "22P03": "a binary value is malformed for its type",
    "22P04": "the rows do not have the form that COPY expects",
    "22P05": "a character has no equivalent in the encoding",
    "2200L": "a value is no XML document",
    "2200M": "an XML document is malformed",
    "2200N": "an XML text is malformed",
    "23502": "a NULL is where the column allows none",
    "23503": "rows break a foreign key",
    "23505": "rows break a unique key",
    "23514": "rows break a check constraint",
    "23P01": "rows break an exclusion constraint",
    "25P02": "an earlier statement of the same transaction had failed",
    "25006": "the transaction is read-only",
    "28000": "the role may not log in",
    "28P01": "the password was not accepted",
    "40P01": "sessions waited for one another",
    "42501": "the restoring role has no right to do it",
    "42601": "a statement's syntax is wrong",
    "42703": "a column is not there",
    "42704": "an object is not there",
    "42710": "an object is there already",
    "42723": "a function is there already",
    "42804": "a type does not fit",
    "42846": "a type cannot be cast",
    "42883": "a function or operator is not there",
    "42P01": "a relation is not there",
    "42P07": "a relation is there already",
    "42P17": "a definition is invalid",
    "42P22": "a collation cannot be determined",
    "53100": "the disk is full",
    "53200": "the memory is used up",
    "53300": "there are too many connections",
    "54000": "a limit of the server is exceeded",
    "54001": "a function calls itself too deeply",
    "55006": "an object is in use",
    "55P03": "a lock could not be had in time",
    "57014": "it was cancelled, or ran into a time limit",
    "57P01": "the server is shutting down",
    "57P02": "the server crashed",
    "57P03": "the server does not take connections yet",
    "58P01": "a file of the server is not there",
}
CONNECTION = {
    "Connection refused": "the server refused the connection",
    "could not translate host name": "the server's host name is not known",
    "timeout expired": "the server did not answer in time",
    "Connection timed out": "the server did not answer in time",
    "No route to host": "the server's host cannot be reached",
    "Network is unreachable": "the server's host cannot be reached",
    "No such file or directory": "no server listens on the socket",
    "Permission denied": "this user may not use the server's socket",
    "no password supplied": "the server asks for a password and none was given",
    "certificate": "the server's certificate was not accepted",
    "SSL": "no encrypted connection could be made",
    "connection string": "the connection string is malformed",
    "connection info string": "the connection string is malformed",
    "connection option": "the connection string is malformed",
    "definition of service": "the connection's service is not defined",
    "server closed the connection": "the server closed the connection",
}
"""What libpq says of the way to a server, by a part of it that holds no name."""
# PostgreSQL's own sentences, each behind its SQLSTATE. %n is a name in quotes; %t one without, such as a type
# or a function's signature: both are told if the backup's definitions hold them. %w are words for kinds of
# objects; %v is a value, which is never told. Behind `=` is what we say instead of a sentence with a value.
SENTENCES = """
0A000 cannot alter type of a column used by a view or rule
0A000 ICU is not supported in this build
0A000 nondeterministic collations not supported
0A000 unsupported XML feature
0A000 extension %n is not available
0A000 access method %n does not support unique indexes
22000 no equality operator for type %t
55000 materialized view %n has not been populated
22001 value too long for type %t
22003 integer out of range
22003 bigint out of range
22003 smallint out of range
22003 numeric field overflow
22003 %v is out of range for type %t = a number is out of range for type %t
22003 value %v is out of range for type %t = a number is out of range for type %t
22008 date out of range%v = a date is out of range
22008 timestamp out of range%v = a timestamp is out of range
22007 invalid input syntax for type %t
22007 invalid input syntax for type %t: %v = invalid input syntax for type %t
22008 date/time field value out of range%v = a date/time field's value is out of range
22012 division by zero
22021 invalid byte sequence for encoding %n: %v = invalid byte sequence for encoding %n
22023 time zone %v not recognized = a time zone is not known
22026 bit string length %v does not match type %t = a bit string has not the length of type %t
22P02 invalid input syntax for type %t
22P02 invalid input syntax for type %t: %v = invalid input syntax for type %t
22P02 invalid input value for enum %t: %v = a value is none of the enum %t
22P02 malformed array literal%v = a malformed array literal
22P02 malformed record literal%v = a malformed record literal
22P02 malformed range literal%v = a malformed range literal
22P04 extra data after last expected column
22P04 missing data for column %n
22P04 end-of-copy marker corrupt
22P04 end-of-copy marker does not match previous newline style
22P04 literal newline found in data
22P04 literal carriage return found in data
22P04 unexpected EOF in COPY data
22P05 character with byte sequence %v has no equivalent in encoding %n = a character is not in encoding %n
23502 null value in column %n of relation %n violates not-null constraint
23502 null value in column %n violates not-null constraint
23502 column %n of relation %n contains null values
23502 domain %t does not allow null values
23503 insert or update on table %n violates foreign key constraint %n
23503 update or delete on table %n violates foreign key constraint %n on table %n
23505 could not create unique index %n
23505 duplicate key value violates unique constraint %n
23514 new row for relation %n violates check constraint %n
23514 check constraint %n of relation %n is violated by some row
23514 value for domain %t violates check constraint %n
23514 no partition of relation %n found for row
23514 new row for relation %n violates partition constraint
23514 partition constraint of relation %n is violated by some row
23P01 conflicting key value violates exclusion constraint %n
23P01 could not create exclusion constraint %n
25P02 current transaction is aborted, commands ignored until end of transaction block
28000 role %n does not exist
28000 role %n is not permitted to log in
28P01 password authentication failed for user %n
2BP01 cannot drop %t because other objects depend on it
3D000 database %n does not exist
3F000 schema %n does not exist
3F000 no schema has been selected to create in
42501 permission denied to %w
42501 permission denied to create %w %n
42501 permission denied for %w %t
42501 must be owner of %w %t
42501 must be superuser%v = only a superuser may do it
42501 must be able to SET ROLE %n
42501 must be member of role %n
42501 new row violates row-level security policy for table %n
42501 new row violates row-level security policy %n for table %n
42601 syntax error at or near %v = a syntax error
42601 syntax error at end of input = a syntax error
42601 syntax error in tsquery%v = a value is no tsquery
42601 syntax error in tsvector%v = a value is no tsvector
42601 unterminated quoted string at or near %v = an unterminated quoted string
42601 unterminated dollar-quoted string at or near %v = an unterminated dollar-quoted string
42601 unterminated quoted identifier at or near %v = an unterminated quoted identifier
42601 INSERT has more expressions than target columns
42601 INSERT has more target columns than expressions
42611 subscription %n does not exist
42701 column %n of relation %n already exists
42701 column %n specified more than once
42702 column reference %n is ambiguous
42703 column %n does not exist
42703 column %t does not exist
42703 column %n of relation %n does not exist
42703 column %n named in key does not exist
42704 access method %n does not exist
42704 collation %n for encoding %n does not exist
42704 collation %n does not exist
42704 constraint %n of relation %n does not exist
42704 cast from type %t to type %t does not exist
42704 data type %t has no default operator class for access method %n
42704 extension %n does not exist
42704 foreign-data wrapper %n does not exist
42704 index %n does not exist
42704 language %n does not exist
42704 operator class %n does not exist for access method %n
42704 publication %n does not exist
42704 role %n does not exist
42704 server %n does not exist
42704 subscription %n does not exist
42704 tablespace %n does not exist
42704 text search configuration %n does not exist
42704 text search dictionary %n does not exist
42704 text search parser %n does not exist
42704 text search template %n does not exist
42704 operator family %n does not exist for access method %n
42704 required extension %n is not installed
42704 trigger %n for table %n does not exist
42704 type %n does not exist
42704 type %t does not exist
42704 user mapping not found for %n
42704 unrecognized configuration parameter %n
42704 type %n is only a shell
42704 argument type %t is only a shell
42710 constraint %n for relation %n already exists
42710 extension %n already exists
42710 language %n already exists
42710 policy %n for table %n already exists
42710 publication %n already exists
42710 role %n already exists
42710 server %n already exists
42710 trigger %n for relation %n already exists
42710 type %n already exists
42723 function %n already exists with same argument types
42725 function %t is not unique
42725 operator is not unique: %t
42804 cannot cast type %t to %t
42804 column %n is of type %t but expression is of type %t
42804 foreign key constraint %n cannot be implemented
42830 there is no unique constraint matching given keys for referenced table %n
42846 cannot cast type %t to %t
42883 aggregate %t does not exist
42883 function %t does not exist
42883 procedure %t does not exist
42883 operator does not exist: %o
42883 text search parser %n does not exist
42939 schema name is not allowed%v = a schema's name is not allowed
42P01 missing FROM-clause entry for table %n
42P01 relation %n does not exist
42P04 database %n already exists
42P06 schema %n already exists
42P07 relation %n already exists
42P16 multiple primary keys for table %n are not allowed
42P17 empty range bound specified for partition %n
42P17 functions in index expression must be marked IMMUTABLE
42P17 generation expression is not immutable
42P17 partition %n would overlap partition %n
42P22 could not determine which collation to use for %w
42P38 could not determine polymorphic type %v = a polymorphic type could not be determined
42P18 could not determine data type of parameter %v = a parameter's type could not be determined
53100 could not extend file %v = a file could not be extended
53100 could not write to file %v = a file could not be written
53100 could not write block %v = a block could not be written
53200 out of memory
53200 out of shared memory
53300 sorry, too many clients already
54000 index row size %v exceeds %v = an index row is too large
54000 row is too big%v = a row is too large
54001 stack depth limit exceeded
55000 cannot copy to materialized view %n
55000 currval of sequence %n is not yet defined in this session
55006 database %n is being accessed by other users
55P03 canceling statement due to lock timeout
57014 canceling statement due to statement timeout
57014 canceling statement due to user request
57P01 terminating connection due to administrator command
57P02 terminating connection because of crash of another server process
57P03 the database system is starting up
57P03 the database system is shutting down
57P03 the database system is in recovery mode
58P01 could not access file %v = a library or file could not be opened
58P01 could not open extension control file %v = an extension's control file could not be opened
58P01 could not load library %v = a library could not be loaded
58030 could not read file %v = a file could not be read
22023 invalid locale name%v = a locale is not on this host
42602 invalid locale name%v = a locale is not on this host
58P01 could not create locale %v = a locale is not on this host
F0000 could not open dictionary file %v = a dictionary's file could not be opened
F0000 could not open affix file %v = a dictionary's file could not be opened
F0000 could not open stop-word file %v = a dictionary's file could not be opened
F0000 could not open synonym file %v = a dictionary's file could not be opened
F0000 could not open thesaurus file %v = a dictionary's file could not be opened
08001 could not connect to server %n
08001 could not connect to server%v = a server could not be connected to
2F003 password is required
2F003 password or GSSAPI delegated credentials required
08006 server closed the connection unexpectedly%v = the server closed the connection
08006 SSL connection has been closed unexpectedly
XX000 invalid memory alloc request size %v = a piece of memory was asked for that no server has
"""
TYPES = """
any anyarray anyelement anyenum anyrange array bigint bit bool boolean box bytea char character cid cidr
circle cstring date datemultirange daterange double enum event_trigger float4 float8 inet int int2 int4
int4multirange int4range int8 int8multirange int8range integer internal interval json jsonb jsonpath line
lseg macaddr macaddr8 money name numeric nummultirange numrange oid path pg_catalog pg_lsn point polygon
precision public range real record refcursor regclass regcollation regconfig regdictionary regnamespace
regoper regoperator regproc regprocedure regrole regtype smallint text tid time timestamp timestamptz timetz
trigger tsmultirange tsquery tsrange tstzmultirange tstzrange tsvector unknown uuid varbit varchar varying
void with without xid xid8 xml zone UTF8 SQL_ASCII LATIN1 WIN1252
c sql plpgsql plperl plperlu plpython3u pltcl pltclu
pg_read_file pg_read_binary_file pg_ls_dir pg_stat_file lo_import lo_export pg_reload_conf pg_rotate_logfile
pg_terminate_backend pg_cancel_backend pg_file_write pg_file_unlink pg_file_rename dblink_connect_u
"""
OBJECT_WORDS = """
a access aggregate alter an as authorization collation column configuration copy create data database
dictionary domain drop event expressions extension external file foreign from function hashing index
language large log materialized method object operator or parameter policy procedure program publication
relation role routine schema search sequence server session set sorting statistics string subscription table
tablespace text to trigger type user view wrapper
"""
