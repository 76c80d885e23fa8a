/** Set by build.ts. */
declare const BERTH_VERSION: string;
declare const BERTH_COMMIT: string;
/** The compiled ffi/reaper.c, in base64. */
declare const BERTH_REAPER: string;
/** The compiled ffi/userns.c, in base64. */
declare const BERTH_USERNS: string;
/** The compiled ffi/exec.c, in base64. */
declare const BERTH_EXEC: string;
/** The compiled ffi/stub.c, in base64. */
declare const BERTH_STUB: string;
/** The compiled ffi/json-lines.c, in base64. */
declare const BERTH_JSON_LINES: string;
/** The compiled ffi/first-stage.c, in base64. */
declare const BERTH_FIRST_STAGE: string;
/** The compiled ffi/idle.c, in base64. */
declare const BERTH_IDLE: string;
