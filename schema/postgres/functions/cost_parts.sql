-- Cost of what is allocated, idle and kept by the system: in proportion to amounts, which sum to `whole`, rounded down;
-- then the largest remainders get one more each, the first of equals first. Amounts that do not sum to the whole give
-- parts that do not sum to the cost, and the table refuses them. It is called three times a node and hour, so the three
-- parts are variables and no arrays.
create or replace function ledger.cost_parts(nanos numeric, whole numeric, amounts numeric[]) returns numeric[]
language plpgsql immutable parallel safe
as $$
declare
    product numeric;
    first numeric;
    second numeric;
    third numeric;
    first_rest numeric;
    second_rest numeric;
    third_rest numeric;
    remaining numeric;
begin
    if nanos is null or whole is null then
        return null;
    end if;
    if whole = 0 or nanos = 0 then
        -- What costs and has no capacity to share is nobody's.
        return array[0, 0, nanos];
    end if;
    product := nanos * amounts[1];
    first := div(product, whole);
    first_rest := product - first * whole;
    product := nanos * amounts[2];
    second := div(product, whole);
    second_rest := product - second * whole;
    product := nanos * amounts[3];
    third := div(product, whole);
    third_rest := product - third * whole;
    remaining := nanos - first - second - third;
    if remaining = 1 then
        if first_rest >= second_rest and first_rest >= third_rest then
            first := first + 1;
        elsif second_rest >= third_rest then
            second := second + 1;
        else
            third := third + 1;
        end if;
    elsif remaining = 2 then
        -- All but the last of the smallest.
        if third_rest <= first_rest and third_rest <= second_rest then
            first := first + 1;
            second := second + 1;
        elsif second_rest <= first_rest then
            first := first + 1;
            third := third + 1;
        else
            second := second + 1;
            third := third + 1;
        end if;
    end if;
    return array[first, second, third];
end
$$;
comment on function ledger.cost_parts is 'Cost of what is allocated, idle and kept by the system, by largest remainder.';
