// What the page's own scripts put on the window, for the type check.
interface Window {
  /** Where the visitor is, see store.js. */
  page: {
    stamp(values: unknown[]): unknown[];
    named(values: unknown[]): unknown[];
    cursor(id: string): number;
    linked(place: string, query: string, isUnderWay?: boolean): void;
    link(place: string): string;
    remember(place: string, query: string): string;
    opened(): void;
    arrive(place: string): object[];
    lead(place: string): void;
    ready(values: unknown[], place?: string): Promise<unknown[]>;
    filed(values: { place?: string }[]): Promise<unknown[]>;
    look(values: unknown[], tab: string): Promise<unknown[]>;
  };
  /** Whether letters and digits are heard; an argument changes it. */
  singleKeys(wanted?: boolean): boolean;
  /** Whether `fetch` puts answers and news in order already. */
  fetchIsInOrder?: boolean;
}
