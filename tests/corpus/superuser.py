"""What only a superuser creates: everything whose code is PostgreSQL's own, or is called later by others."""

from __future__ import annotations

ROLES = "CREATE ROLE maker; CREATE ROLE other;"

COMMON = """
CREATE SCHEMA odd;
CREATE EXTENSION pg_trgm;

-- a base type whose functions are PostgreSQL's own under other names
CREATE TYPE public.number;
CREATE FUNCTION public.number_in(cstring) RETURNS public.number LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
CREATE FUNCTION public.number_out(public.number) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
CREATE TYPE public.number (INPUT = public.number_in, OUTPUT = public.number_out, INTERNALLENGTH = 4, PASSEDBYVALUE,
    ALIGNMENT = int4, DEFAULT = '42', CATEGORY = 'N', DELIMITER = ';');
CREATE FUNCTION public.number_cmp(public.number, public.number) RETURNS integer LANGUAGE internal IMMUTABLE STRICT
    AS 'btint4cmp';
CREATE FUNCTION public.number_lt(public.number, public.number) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT
    LEAKPROOF AS 'int4lt';
CREATE FUNCTION public.number_le(public.number, public.number) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT
    AS 'int4le';
CREATE FUNCTION public.number_eq(public.number, public.number) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT
    AS 'int4eq';
CREATE FUNCTION public.number_ge(public.number, public.number) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT
    AS 'int4ge';
CREATE FUNCTION public.number_gt(public.number, public.number) RETURNS boolean LANGUAGE internal IMMUTABLE STRICT
    AS 'int4gt';
CREATE OPERATOR public.< (LEFTARG = public.number, RIGHTARG = public.number, FUNCTION = public.number_lt,
    COMMUTATOR = OPERATOR(public.>), RESTRICT = scalarltsel);
CREATE OPERATOR public.<= (LEFTARG = public.number, RIGHTARG = public.number, FUNCTION = public.number_le);
CREATE OPERATOR public.= (LEFTARG = public.number, RIGHTARG = public.number, FUNCTION = public.number_eq, MERGES);
CREATE OPERATOR public.>= (LEFTARG = public.number, RIGHTARG = public.number, FUNCTION = public.number_ge);
CREATE OPERATOR public.> (LEFTARG = public.number, RIGHTARG = public.number, FUNCTION = public.number_gt);
CREATE OPERATOR CLASS public.number_ops DEFAULT FOR TYPE public.number USING btree AS
    OPERATOR 1 public.<, OPERATOR 2 public.<=, OPERATOR 3 public.=, OPERATOR 4 public.>=, OPERATOR 5 public.>,
    FUNCTION 1 public.number_cmp(public.number, public.number);
CREATE CAST (public.number AS integer) WITHOUT FUNCTION AS IMPLICIT;
CREATE CAST (integer AS public.number) WITHOUT FUNCTION AS ASSIGNMENT;
CREATE TYPE odd."shell, only";

-- an operator class of the application's own functions, used by a unique index
CREATE FUNCTION public.ci_cmp(text, text) RETURNS integer LANGUAGE sql IMMUTABLE STRICT AS
    $$SELECT CASE WHEN lower($1) < lower($2) THEN -1 WHEN lower($1) > lower($2) THEN 1 ELSE 0 END$$;
CREATE FUNCTION public.ci_lt(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT lower($1) < lower($2)';
CREATE FUNCTION public.ci_eq(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE STRICT AS 'SELECT lower($1) = lower($2)';
CREATE OPERATOR public.<# (LEFTARG = text, RIGHTARG = text, FUNCTION = public.ci_lt);
CREATE OPERATOR public.=# (LEFTARG = text, RIGHTARG = text, FUNCTION = public.ci_eq);
CREATE OPERATOR CLASS public.ci_ops FOR TYPE text USING btree AS
    OPERATOR 1 public.<#, OPERATOR 3 public.=#, FUNCTION 1 public.ci_cmp(text, text);
CREATE OPERATOR FAMILY odd."loose; family" USING hash;
ALTER OPERATOR FAMILY odd."loose; family" USING hash ADD OPERATOR 1 pg_catalog.= (integer, smallint);

-- access methods on handlers of PostgreSQL's own
CREATE ACCESS METHOD heap2 TYPE TABLE HANDLER heap_tableam_handler;
CREATE ACCESS METHOD gist2 TYPE INDEX HANDLER gisthandler;
CREATE FUNCTION odd.handler(internal) RETURNS table_am_handler LANGUAGE internal STRICT AS 'heap_tableam_handler';
CREATE ACCESS METHOD heap3 TYPE TABLE HANDLER odd.handler;
CREATE OPERATOR CLASS public.box2_ops DEFAULT FOR TYPE box USING gist2 AS
    OPERATOR 3 &&, FUNCTION 1 gist_box_consistent(internal, box, smallint, oid, internal),
    FUNCTION 2 gist_box_union(internal, internal), FUNCTION 5 gist_box_penalty(internal, internal, internal),
    FUNCTION 6 gist_box_picksplit(internal, internal), FUNCTION 7 gist_box_same(box, box, internal);

-- functions with what only a superuser may say of them
CREATE FUNCTION public.proof(a text DEFAULT 'LEAKPROOF SET x') RETURNS text LANGUAGE plpgsql IMMUTABLE LEAKPROOF
    COST 7 AS $body$BEGIN RETURN 'SUPPORT ' || a; END$body$;
CREATE FUNCTION public.planned(integer, integer) RETURNS SETOF integer LANGUAGE sql STABLE ROWS 3
    SUPPORT generate_series_int4_support AS 'SELECT generate_series($1, $2)';
CREATE FUNCTION public.near(a text, b text) RETURNS boolean LANGUAGE sql STABLE
    SET pg_trgm.similarity_threshold TO '0.4' SET search_path TO 'public', 'pg_catalog'
    AS $$SELECT a OPERATOR(public.%) b$$;
CREATE FUNCTION odd.loud() RETURNS integer LANGUAGE sql SET log_executor_stats TO 'off'
    SET lc_messages TO 'C' AS 'SELECT 1';
CREATE PROCEDURE odd.quiet() LANGUAGE plpgsql SET log_parser_stats TO 'off' AS 'BEGIN END';

-- casts between PostgreSQL's own types, text search, languages, transforms, aggregates, conversions
CREATE CAST (bytea AS text) WITHOUT FUNCTION;
CREATE CAST (inet AS boolean) WITH INOUT AS IMPLICIT;
CREATE CAST (money AS point) WITH INOUT AS ASSIGNMENT;
CREATE TEXT SEARCH PARSER public.words (START = prsd_start, GETTOKEN = prsd_nexttoken, END = prsd_end,
    LEXTYPES = prsd_lextype, HEADLINE = prsd_headline);
CREATE TEXT SEARCH TEMPLATE odd.plain (INIT = dsimple_init, LEXIZE = dsimple_lexize);
CREATE TEXT SEARCH DICTIONARY public.plain (TEMPLATE = odd.plain);
CREATE TEXT SEARCH CONFIGURATION public.plain (PARSER = public.words);
CREATE FUNCTION odd.twin_handler() RETURNS language_handler LANGUAGE c AS '$libdir/plpgsql', 'plpgsql_call_handler';
CREATE LANGUAGE twin HANDLER odd.twin_handler;
CREATE TRANSFORM FOR bigint LANGUAGE sql (FROM SQL WITH FUNCTION prsd_lextype(internal),
    TO SQL WITH FUNCTION int8recv(internal));
CREATE AGGREGATE public.mean(integer) (SFUNC = int4_avg_accum, STYPE = bigint[], FINALFUNC = int8_avg,
    INITCOND = '{0,0}');
CREATE AGGREGATE public.listed(text, text) (SFUNC = string_agg_transfn, STYPE = internal,
    FINALFUNC = string_agg_finalfn);
CREATE CONVERSION odd.latin FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8;
CREATE FUNCTION odd.similar(text, text) RETURNS real LANGUAGE c IMMUTABLE STRICT AS '$libdir/pg_trgm', 'similarity';

-- what needs them
CREATE TABLE public.items (id integer PRIMARY KEY, amount public.number NOT NULL, label text, area box) USING heap2;
INSERT INTO public.items SELECT g, g, 'label ' || g, box(point(g, g), point(0, 0)) FROM generate_series(1, 50) g;
CREATE INDEX items_amount ON public.items (amount);
CREATE UNIQUE INDEX items_label ON public.items (label public.ci_ops);
CREATE INDEX items_area ON public.items USING gist2 (area);
CREATE TABLE odd.copies (LIKE public.items) USING heap3;
INSERT INTO odd.copies SELECT * FROM public.items;
CREATE VIEW public.near_items AS SELECT a.id, odd.similar(a.label, b.label) AS near, public.proof(a.label) AS said
    FROM public.items a JOIN public.items b ON public.near(a.label, b.label);
CREATE MATERIALIZED VIEW public.biggest AS SELECT max(id) AS id, public.listed(label, ',') AS labels FROM public.items
    WHERE amount > '10'::public.number;
COMMENT ON TYPE public.number IS 'a number';
COMMENT ON OPERATOR CLASS public.ci_ops USING btree IS 'without case';
COMMENT ON ACCESS METHOD heap2 IS 'it''s a heap';
COMMENT ON CAST (bytea AS text) IS 'as it stands';
COMMENT ON LANGUAGE twin IS 'plpgsql';
ALTER TYPE public.number OWNER TO maker;
ALTER OPERATOR CLASS public.ci_ops USING btree OWNER TO maker;
ALTER OPERATOR FAMILY public.ci_ops USING btree OWNER TO maker;
ALTER FUNCTION public.proof(text) OWNER TO other;
ALTER LANGUAGE twin OWNER TO maker;
"""
