/** Set by build.ts. */
declare const BERTH_VERSION: string;
declare const BERTH_COMMIT: string;
