// How a number is spelled: number.js, whole.js, map_grid.js and kernel_sheet.js each have the rule, and stand on one page.
export const SPELLED = [
  [0, "0"], [-0.123456, "\u22120.1235"], [1, "1"], [12345, "12350"], [-99994, "\u221299990"], [123456, "1.23e+5"],
  [0.0005, "0.0005"], [0.000512345, "0.0005123"], [0.0001, "0.0001"], [0.00001, "1.0e\u22125"],
  [null, "–"], [NaN, "–"], [Infinity, "–"],
]
export const SHORT = [[1.23456, 3, "1.23"], [0.00051234, 2, "0.00051"], [-0.04321, 1, "\u22120.04"], [12345, 3, "12300"]]

export function spells(assert, number) {
  for (const [value, text] of SPELLED) assert.equal(number(value), text)
  for (const [value, digits, text] of SHORT) assert.equal(number(value, digits), text)
}
